import { GatewayMetrics } from '../metrics/gateway-metrics';
import { RecordingLog } from '../../test/support/recording-log';
import { Admission, type Waiting } from './admission';
import { Room } from './room';

const kib = 1024;

describe('Admission', () => {
  let log: RecordingLog;
  let admission: Admission;

  beforeEach(() => {
    jest.useFakeTimers();
    log = new RecordingLog();
    const limits = { maxBytes: 64 * kib, maxBodyBytes: 16 * kib };
    admission = new Admission(limits, new GatewayMetrics(), log);
  });
  afterEach(() => jest.useRealTimers());

  const enter = (name: string, bytes: number, isKnown = true) => admission.enter({ name, isKnown }, bytes, [], 4_500);
  const enterNow = (caller: string, bytes: number): Room => {
    const room = enter(caller, bytes);
    if (!(room instanceof Room)) throw new Error('it has to wait');
    return room;
  };
  const wait = (caller: string, bytes: number): Waiting => {
    const waiting = enter(caller, bytes);
    if (waiting instanceof Room) throw new Error('it need not wait');
    return waiting;
  };
  const isOverloaded = expect.objectContaining({ kind: 'overloaded', headers: { 'retry-after': '1' } }) as unknown;

  it('lets each caller in by half of the bytes, however small his bodies are', () => {
    for (let i = 0; i < 16; i++) enterNow('a', 10);
    expect(enter('a', 10)).not.toBeInstanceOf(Room);
    enterNow('b', 20 * kib);
    enterNow('b', 12 * kib);
    expect([admission.inProgressCount, admission.waitingCount]).toEqual([18, 1]);
  });

  it('lets in alone what is larger than that', async () => {
    const large = enterNow('a', 1024 * kib);
    const next = wait('a', 1);
    large.hangUp();
    expect(await next.room).toBeInstanceOf(Room);
  });

  it('has who is not known take a quarter of what a caller has, and all of them what one has', () => {
    const unknown = (name: string) => enter(name, 32 * kib, false) instanceof Room;
    expect(['x', 'x', 'y', 'z', 'u', 'v'].map(unknown)).toEqual([true, false, true, true, true, false]);
    enterNow('a', 32 * kib);
    expect([admission.inProgressCount, admission.waitingCount]).toEqual([5, 2]);
  });

  it('refuses who has waited for 2 s, says once that it does and once that it is over', async () => {
    const room = enterNow('a', 32 * kib);
    const late = Promise.all([1, 2].map(() => expect(wait('a', 1).room).rejects.toEqual(isOverloaded)));
    await jest.advanceTimersByTimeAsync(1_999);
    expect(admission.waitingCount).toBe(2);
    await jest.advanceTimersByTimeAsync(1);
    await late;
    room.hangUp();
    enterNow('a', 1);
    expect(log.messages).toEqual(['overloaded: webhooks are refused', 'overload is over: nobody waits']);
  });

  it('refuses at once whom there is no place to wait for, and keeps places for other callers', async () => {
    enterNow('a', 32 * kib);
    // 48 MiB of connections with 16 KiB each, and of bodies with 2 or 32 KiB.
    for (let i = 0; i < 1_000; i++) void enter('a', 1);
    for (let i = 0; i < 649; i++) void enter('a', 32 * kib);
    await expect(wait('a', 32 * kib).room).rejects.toEqual(isOverloaded);
    enterNow('b', 32 * kib);
    void enter('b', 1);
    expect(admission.waitingCount).toBe(1_650);
  });

  it('has the place of who hung up while he waited for others, and counts nothing refused', async () => {
    enterNow('a', 32 * kib);
    const gone = Array.from({ length: 1_000 }, () => wait('a', 32 * kib));
    const ends = Promise.allSettled(gone.map(({ room }) => room));
    for (const waiting of gone) waiting.hangUp();
    expect((await ends).every(({ status }) => status === 'rejected')).toBe(true);
    for (let i = 0; i < 1_000; i++) void enter('a', 32 * kib);
    expect([admission.waitingCount, log.messages]).toEqual([1_000, []]);
  });
});
