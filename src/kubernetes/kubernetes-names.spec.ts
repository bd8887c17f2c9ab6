import { assert, constantFrom, integer, oneof, property, string } from 'fast-check';
import { fingerprintLabel, isDnsLabel, labelValue, requestName, slug } from './kubernetes-names';

// As the validation of Kubernetes itself has them.
const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedLabelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const hex = 'a3f8b2c1d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f4a5b6c7d8e9f0a1';
/** Texts of which many consist of what names must not hold. */
const anyText = oneof(
  string({ unit: 'binary', maxLength: 300 }),
  string({ unit: constantFrom('a', 'Z', '0', '-', '_', '.', '/', '%', 'ü', 'İ', '😀', '\n'), maxLength: 300 }),
);

describe('requestName', () => {
  it.each([
    ['HighMemoryUsage', 'remediation-highmemoryusage-a3f8b2'],
    ['My Alert/ü!!', 'remediation-my-alert-a3f8b2'],
    ['--- ---', 'remediation-signal-a3f8b2'],
    ['アラート', 'remediation-signal-a3f8b2'],
    ['../../%2f', 'remediation-2f-a3f8b2'],
    ['a'.repeat(300), `remediation-${'a'.repeat(40)}-a3f8b2`],
    [`${'a'.repeat(39)}/b`, `remediation-${'a'.repeat(39)}-a3f8b2`],
  ])('of "%s" is %s', (alertName, name) => {
    expect(requestName(alertName, hex, 1)).toBe(name);
  });

  it('says which generation it is from the second on', () => {
    const names = [1, 2, 3].map((generation) => requestName('X', hex, generation));
    expect(names).toEqual(['remediation-x-a3f8b2', 'remediation-x-a3f8b2-2', 'remediation-x-a3f8b2-3']);
  });

  it('has more digits when another incident has the short name', () => {
    expect(requestName('X', hex, 2, 12)).toBe('remediation-x-a3f8b2c1d4e5-2');
  });

  it('is one that Kubernetes takes, whatever the alert is called', () => {
    assert(
      property(anyText, integer({ min: 1 }), constantFrom(6 as const, 12 as const), (alertName, generation, digits) => {
        const name = requestName(alertName, hex, generation, digits);
        expect(name).toMatch(dnsSubdomain);
        expect(name.length).toBeLessThanOrEqual(253);
      }),
    );
  });
});

describe('slug', () => {
  it('is a label of DNS of at most 40', () => {
    assert(
      property(anyText, (text) => {
        expect(slug(text)).toMatch(dnsLabel);
        expect(slug(text).length).toBeLessThanOrEqual(40);
        expect(slug(text)).not.toContain('--');
      }),
    );
  });
});

describe('labelValue', () => {
  it.each([
    ['production', 'production'],
    ['QA_eu.1', 'QA_eu.1'],
    ['qa/eu', 'qa-eu'],
    ['-.leading and trailing._', 'leading-and-trailing'],
    ['größe', 'gr--e'],
    ['///', ''],
    ['', ''],
    ['x'.repeat(64), 'x'.repeat(63)],
    [`${'x'.repeat(62)}--`, 'x'.repeat(62)],
  ])('of "%s" is "%s"', (text, value) => {
    expect(labelValue(text)).toBe(value);
  });

  it('is one that Kubernetes takes, whatever it is made of', () => {
    assert(
      property(anyText, (text) => {
        expect(labelValue(text)).toMatch(qualifiedLabelValue);
        expect(labelValue(text).length).toBeLessThanOrEqual(63);
      }),
    );
  });
});

describe('fingerprintLabel', () => {
  it('is what fits of a fingerprint', () => {
    expect(fingerprintLabel(hex)).toBe(hex.slice(0, 63));
    expect(fingerprintLabel(hex)).toMatch(qualifiedLabelValue);
  });
});

describe('isDnsLabel', () => {
  it.each(['a', 'prod', 'prod-payment-service', '0', 'x'.repeat(63)])('takes "%s"', (text) => {
    expect(isDnsLabel(text)).toBe(true);
  });

  it.each(['', '-', '-a', 'a-', 'A', 'a.b', 'a_b', 'a/b', '../a', '%2f', 'größe', 'a\n', ' a', 'x'.repeat(64)])(
    'does not take %j',
    (text) => {
      expect(isDnsLabel(text)).toBe(false);
    },
  );
});
