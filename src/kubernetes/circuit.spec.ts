import { RecordingLog } from '../../test/support/recording-log';
import { Circuit, type Verdict } from './circuit';

describe('Circuit', () => {
  let log: RecordingLog;
  let circuit: Circuit;
  beforeEach(() => {
    jest.useFakeTimers();
    log = new RecordingLog();
    circuit = new Circuit(log);
  });
  afterEach(() => jest.useRealTimers());

  const call = (verdict: Verdict) => {
    const entered = circuit.enter();
    if (entered !== 'suspended') circuit.tell(entered, verdict, 'why');
    return entered;
  };
  const calls = (count: number, verdict: Verdict) => Array.from({ length: count }, () => call(verdict));

  it('suspends calls after five in a row without an answer, and no sooner', () => {
    calls(4, 'silent');
    call('answers');
    calls(4, 'silent');
    // Whose caller gave up early neither counts nor ends the row.
    call('nothing');
    expect(circuit.state).toBe('closed');
    expect(calls(2, 'silent')).toEqual(['call', 'suspended']);
    expect(circuit.state).toBe('open');
  });

  it('lets one through after a second, and the others when that was answered', () => {
    calls(5, 'silent');
    jest.advanceTimersByTime(2_000);
    expect([circuit.enter(), circuit.enter(), circuit.state]).toEqual(['probe', 'suspended', 'half-open']);
    circuit.tell('probe', 'answers');
    expect([call('answers'), circuit.state]).toEqual(['call', 'closed']);
    expect(log.messages).toEqual([
      'the API server does not answer: calls are suspended',
      'the API server answers again',
    ]);
  });

  it('suspends them for longer after each probe without an answer, and says so once', () => {
    calls(5, 'silent');
    let waitedMs = 0;
    const waits: number[] = [];
    while (waits.length < 7) {
      jest.advanceTimersByTime(100);
      waitedMs += 100;
      if (call('silent') !== 'probe') continue;
      waits.push(waitedMs);
      waitedMs = 0;
    }
    expect(waits[0]).toBeLessThanOrEqual(2_000);
    expect(waits.at(-1)).toBeGreaterThan(5_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_000);
    expect(log.messages).toHaveLength(1);
  });

  it('does not go by what began before it was suspended', () => {
    const before = circuit.enter();
    calls(5, 'silent');
    circuit.tell(before as 'call', 'answers');
    expect(circuit.state).toBe('open');
  });

  it('probes again when a probe said nothing', () => {
    calls(5, 'silent');
    jest.advanceTimersByTime(2_000);
    expect([call('nothing'), call('answers'), call('answers')]).toEqual(['probe', 'probe', 'call']);
  });
});
