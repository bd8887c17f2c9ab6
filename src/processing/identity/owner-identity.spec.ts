import { aSignal, plainRules, signalsOfPods } from '../../../test/support/a-signal';
import { deadlineIn } from '../../deadline';
import { GatewayMetrics } from '../../metrics/gateway-metrics';
import type { Ownership } from '../../kubernetes/owners';
import { fingerprint } from '../../signal/fingerprint';
import { InvalidSignal, type Signal, type SignalReading } from '../../signal/signal';
import { OwnerIdentity } from './owner-identity';

const deployment = { kind: 'Deployment', name: 'api', apiVersion: 'apps/v1' };

describe('OwnerIdentity', () => {
  const peeked = new Map<string, Ownership>();
  const found = new Map<string, Ownership>();
  let reads: string[];
  const owners = {
    peek: (_: string, { name }: { name: string }) => peeked.get(name),
    find(_: string, { name }: { name: string }) {
      reads.push(name);
      return Promise.resolve(found.get(name) ?? ({ by: 'nothing' } as const));
    },
  };
  const identity = (rules = plainRules) =>
    new OwnerIdentity(owners, new Map([['prometheus', rules]]), new GatewayMetrics());
  const identify = (readings: readonly SignalReading[], rules = plainRules) =>
    identity(rules).forWebhook(deadlineIn(60_000).signal)(readings);
  const of = (name: string, kind: string, owner: string) =>
    fingerprint(
      name,
      { resource: { kind, name: owner }, namespace: 'prod-payment-service', specific: true },
      {},
      plainRules,
    );

  beforeEach(() => {
    peeked.clear();
    found.clear();
    reads = [];
  });

  it('identifies by the owner, keeps the object, and reads only what is not watched, once', async () => {
    peeked.set('a', { owner: deployment, by: 'watch' });
    found.set('b', { owner: deployment, by: 'read' });
    const [a, b] = signalsOfPods('a', 'b');
    const identified = (await identify([a!, b!, { ...b!, name: 'Other' }])) as Signal[];
    expect(identified.map((signal) => signal.fingerprint)).toEqual([
      of('HighMemoryUsage', 'Deployment', 'api'),
      of('HighMemoryUsage', 'Deployment', 'api'),
      of('Other', 'Deployment', 'api'),
    ]);
    expect(identified.map(({ resource, owner }) => [resource.name, owner])).toEqual([
      ['a', deployment],
      ['b', deployment],
      ['b', deployment],
    ]);
    expect(reads).toEqual(['b']);
  });

  it('leaves as they are what nobody owns, what cannot be found out, other sources, and what is no signal', async () => {
    peeked.set('alone', { by: 'watch' });
    const [alone, unknown] = signalsOfPods('alone', 'unknown');
    const event = aSignal({ source: 'kubernetes-event' });
    const invalid = new InvalidSignal('prometheus', ['alertname is required']);
    const readings = [alone!, unknown!, event, invalid];
    expect(await identify(readings)).toEqual(readings);
    expect(reads).toEqual(['unknown']);
  });

  it.each([
    ['a second of the webhook', 60_000, 1_000],
    ['what is left of it', 300, 300],
  ])('takes for all batches no more than %s', async (_, webhookMs, mostMs) => {
    const gone = { by: 'nothing' } as const;
    const silent = {
      peek: () => undefined,
      find: (_namespace: string, _resource: unknown, deadline: AbortSignal) =>
        new Promise<Ownership>((resolve) => deadline.addEventListener('abort', () => resolve(gone))),
    };
    const { signal: deadline } = deadlineIn(webhookMs);
    const ofBatch = new OwnerIdentity(silent, new Map([['prometheus', plainRules]]), new GatewayMetrics()).forWebhook(
      deadline,
    );
    const begin = performance.now();
    const readings = signalsOfPods('a', 'b', 'c');
    for (const reading of readings) expect(await ofBatch([reading])).toEqual([reading]);
    expect(performance.now() - begin).toBeLessThan(mostMs + 500);
  });

  it('asks for what is remembered of owners also when no time is left to read them', async () => {
    found.set('a', { owner: deployment, by: 'memory' });
    const { signal: over } = deadlineIn(0);
    const [a] = signalsOfPods('a');
    const [identified] = (await identity().forWebhook(over)([a!])) as Signal[];
    expect(identified?.owner).toEqual(deployment);
  });

  it('leaves the name out where any name is the same incident', async () => {
    peeked.set('a', { owner: deployment, by: 'watch' });
    const [a] = signalsOfPods('a');
    const rules = { ...plainRules, anyName: true };
    const identified = (await identify([a!, { ...a!, name: 'Other' }], rules)) as Signal[];
    expect(new Set(identified.map((signal) => signal.fingerprint))).toEqual(new Set([of('', 'Deployment', 'api')]));
  });
});
