import { GatewayMetrics } from '../metrics/gateway-metrics';
import { RecordingLog } from '../../test/support/recording-log';
import { Admission } from './admission';
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

  const enterNow = (caller: string, bytes: number): Room => {
    const room = admission.enter(caller, bytes);
    if (!(room instanceof Room)) throw new Error('it has to wait');
    return room;
  };
  const isOverloaded = expect.objectContaining({ kind: 'overloaded', headers: { 'retry-after': '1' } }) as unknown;

  it('lets each caller in by half of the bytes, however small his bodies are', () => {
    for (let i = 0; i < 16; i++) enterNow('a', 10);
    expect(admission.enter('a', 10)).toBeInstanceOf(Promise);
    enterNow('b', 20 * kib);
    enterNow('b', 12 * kib);
    expect([admission.inProgressCount, admission.waitingCount]).toEqual([18, 1]);
  });

  it('lets in alone what is larger than that', async () => {
    const large = enterNow('a', 1024 * kib);
    const next = admission.enter('a', 1);
    large.release();
    expect(await next).toBeInstanceOf(Room);
  });

  it('has the next one wait until the work is over and the connection is done', async () => {
    const room = enterNow('a', 32 * kib);
    room.hold();
    let isIn = false;
    void Promise.resolve(admission.enter('a', 1)).then(() => (isIn = true));
    room.release();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(isIn).toBe(false);
    room.release();
    await jest.advanceTimersByTimeAsync(0);
    expect(isIn).toBe(true);
  });

  it('refuses who has waited for 2 s, says once that it does and once that it is over', async () => {
    const room = enterNow('a', 32 * kib);
    const late = Promise.all([1, 2].map(() => expect(admission.enter('a', 1)).rejects.toEqual(isOverloaded)));
    await jest.advanceTimersByTimeAsync(1_999);
    expect(admission.waitingCount).toBe(2);
    await jest.advanceTimersByTimeAsync(1);
    await late;
    room.release();
    enterNow('a', 1);
    expect(log.messages).toEqual(['overloaded: webhooks are refused', 'overload is over: nobody waits']);
  });

  it('refuses at once whom there is no place to wait for, and keeps places for other callers', async () => {
    enterNow('a', 32 * kib);
    // 48 MiB of connections with 16 KiB each, and of bodies with 2 or 32 KiB.
    for (let i = 0; i < 1_000; i++) void admission.enter('a', 1);
    for (let i = 0; i < 649; i++) void admission.enter('a', 32 * kib);
    await expect(admission.enter('a', 32 * kib)).rejects.toEqual(isOverloaded);
    enterNow('b', 32 * kib);
    void admission.enter('b', 1);
    expect(admission.waitingCount).toBe(1_650);
  });
});
