import { aSignal } from '../../../test/support/a-signal';
import { FakeNamespaces, FakeOverrides } from '../../../test/support/watched-cluster';
import { EnvironmentClassifier, type EnvironmentRules } from './environment-classifier';

const defaults: EnvironmentRules = {
  sources: ['configmap', 'namespace_label', 'alert_label', 'namespace_pattern'],
  namespaceLabels: ['environment', 'env'],
  namespacePatterns: [
    { pattern: '^prod-', environment: 'production' },
    { pattern: '-service$', environment: 'from-the-second-pattern' },
  ],
  defaultEnvironment: 'unknown',
};
const namespace = 'prod-payment-service';
const saying = (environment?: string, of: string = namespace) =>
  aSignal({ namespace: of, labels: environment === undefined ? {} : { environment } });

describe('EnvironmentClassifier', () => {
  let namespaces: FakeNamespaces;
  let overrides: FakeOverrides;
  const classifier = (rules: Partial<EnvironmentRules> = {}) =>
    new EnvironmentClassifier({ ...defaults, ...rules }, namespaces, overrides);

  beforeEach(() => {
    namespaces = new FakeNamespaces();
    overrides = new FakeOverrides();
  });

  describe('asks', () => {
    it('the ConfigMap first', () => {
      overrides.data[namespace] = 'canary';
      namespaces.labelsOf[namespace] = { environment: 'staging' };
      expect(classifier().classify(saying('qa'))).toEqual({ environment: 'canary', environmentSource: 'configmap' });
    });

    it('then the labels of the namespace, in their order', () => {
      namespaces.labelsOf[namespace] = { env: 'second', environment: 'first' };
      expect(classifier().classify(saying('qa'))).toEqual({
        environment: 'first',
        environmentSource: 'namespace_label',
      });
      namespaces.labelsOf[namespace] = { env: 'second', environment: '' };
      expect(classifier().classify(saying('qa')).environment).toBe('second');
    });

    it('then the alert', () => {
      expect(classifier().classify(saying('qa'))).toEqual({ environment: 'qa', environmentSource: 'alert_label' });
    });

    it('then the patterns, in their order', () => {
      expect(classifier().classify(saying())).toEqual({
        environment: 'production',
        environmentSource: 'namespace_pattern',
      });
      expect(classifier().classify(saying(undefined, 'cart-service')).environment).toBe('from-the-second-pattern');
    });

    it('nobody else, and says that it is the default', () => {
      expect(classifier().classify(saying(undefined, 'other'))).toEqual({
        environment: 'unknown',
        environmentSource: 'default',
      });
    });

    it('in another order when that is configured, and only those that are', () => {
      overrides.data[namespace] = 'canary';
      const rules = { sources: ['alert_label', 'configmap'] as const };
      expect(classifier(rules).classify(saying('qa')).environment).toBe('qa');
      expect(classifier(rules).classify(saying()).environment).toBe('canary');
      expect(classifier({ sources: [] }).classify(saying('qa')).environmentSource).toBe('default');
    });
  });

  it('follows a change at once', () => {
    const classify = () => one.classify(saying()).environment;
    const one = classifier();
    const answers = [classify()];
    namespaces.labelsOf[namespace] = { environment: 'staging' };
    answers.push(classify());
    overrides.data[namespace] = 'canary';
    answers.push(classify());
    expect(answers).toEqual(['production', 'staging', 'canary']);
  });

  it.each([
    ['QA-eu', 'qa-eu'],
    ['  Production ', 'production'],
    ['x'.repeat(63), 'x'.repeat(63)],
  ])('takes "%s" for %s', (said, environment) => {
    expect(classifier().classify(saying(said))).toEqual({ environment, environmentSource: 'alert_label' });
  });

  it.each(['', ' ', 'a b', 'größe', '-', 'qa/eu', '../..', 'x'.repeat(64), 'production\u0000'])(
    'asks the next source when one says %j, which cannot be an environment',
    (said) => {
      expect(classifier().classify(saying(said))).toEqual({
        environment: 'production',
        environmentSource: 'namespace_pattern',
      });
    },
  );

  it('asks no pattern about what cannot be a namespace', () => {
    const rules = { namespacePatterns: [{ pattern: '', environment: 'everything' }] };
    for (const strange of ['', 'prod/../x', 'x'.repeat(1_000_000)]) {
      expect(classifier(rules).classify(saying(undefined, strange)).environmentSource).toBe('default');
    }
  });

  describe('is ready', () => {
    it('when both the namespaces and the ConfigMap are known', async () => {
      await expect(classifier().ready(AbortSignal.abort())).resolves.toBeUndefined();
    });

    it.each(['namespaces', 'overrides'] as const)('not before the %s are known', async (missing) => {
      ({ namespaces, overrides })[missing].cache.synced = false;
      await expect(classifier().ready(AbortSignal.abort())).rejects.toThrow('the deadline has passed');
    });
  });
});
