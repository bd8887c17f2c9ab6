import { RecordingLog } from '../../test/support/recording-log';
import { CallResilience } from './call-resilience';
import { KubernetesApiError } from './kubernetes-api.error';

describe('CallResilience', () => {
  it('does not stay away for a caller that waits no longer', async () => {
    const overloaded = new KubernetesApiError('overloaded', 'm', 429, { retryAfterMs: 2_000 });
    const attempt = jest.fn(() => Promise.reject(overloaded));
    const caller = new AbortController();
    const calling = new CallResilience(new RecordingLog()).execute(attempt, { signal: caller.signal });
    setImmediate(() => caller.abort());
    await expect(calling).rejects.toBe(overloaded);
    expect(attempt).toHaveBeenCalledTimes(1);
  });
});
