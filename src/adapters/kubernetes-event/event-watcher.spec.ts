import { once } from 'node:events';
import { eventually } from '../../../test/support/eventually';
import { FakeClock } from '../../../test/support/fake-clock';
import { RecordingLog } from '../../../test/support/recording-log';
import type { EventBatch, EventFeed } from '../../kubernetes/event-feed';
import type { Lease, Term } from '../../kubernetes/lease';
import { GatewayMetrics } from '../../metrics/gateway-metrics';
import type { SignalOutcome } from '../../processing/signal-outcome';
import type { SignalProcessor } from '../../processing/signal-processor';
import { EventWatcher } from './event-watcher';
import type { EventRules } from './kubernetes-event.adapter';

const failed = [{ status: 'failed', reason: 'quota_exceeded' }] as unknown as SignalOutcome[];
const created = [{ status: 'created' }] as unknown as SignalOutcome[];

describe('EventWatcher', () => {
  const over = new AbortController();
  let serving: Promise<void>;
  afterEach(async () => {
    over.abort();
    await serving;
  });

  const lease = {
    start(work: (term: Term) => Promise<void>) {
      serving = work({ signal: over.signal, left: {}, leave: () => undefined });
    },
  } as Lease;
  const batch = (version: number): EventBatch => ({
    events: [{ metadata: { uid: 'pod.1', resourceVersion: String(version) }, ...{ count: version } }],
    resourceVersion: String(version),
  });

  it('does not come back to what has happened again, and was taken', async () => {
    const again = Promise.withResolvers<void>();
    const feed = {
      async *follow(_: string | undefined, signal: AbortSignal) {
        yield batch(1);
        await again.promise;
        yield batch(2);
        await once(signal, 'abort');
      },
    } as EventFeed;
    const retried = Promise.withResolvers<SignalOutcome[]>();
    const processAll = jest
      .fn<Promise<SignalOutcome[]>, []>()
      .mockResolvedValueOnce(failed)
      .mockReturnValueOnce(retried.promise)
      .mockResolvedValue(created);
    const processor = { processAll } as unknown as SignalProcessor;
    const rules = {} as EventRules;
    const watcher = new EventWatcher(
      lease,
      feed,
      processor,
      rules,
      new FakeClock(),
      new GatewayMetrics(),
      new RecordingLog(),
    );

    watcher.start();
    await eventually(() => expect(processAll).toHaveBeenCalledTimes(2));
    again.resolve();
    await eventually(() => expect(processAll).toHaveBeenCalledTimes(3));
    await eventually(() => expect(watcher.waitingCount).toBe(0));
    retried.resolve(failed);
    await new Promise((resolve) => setImmediate(resolve));
    expect(watcher.waitingCount).toBe(0);
  });
});
