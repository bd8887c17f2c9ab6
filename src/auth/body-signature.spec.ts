import { createHmac } from 'node:crypto';
import { FakeClock } from '../../test/support/fake-clock';
import { BodySignature, type SignatureRules } from './body-signature';

const rules: SignatureRules = {
  secret: 'a secret of the contact point',
  header: 'X-Grafana-Alerting-Signature',
  timestampHeader: '',
  replayWindowMs: 300_000,
  username: 'grafana',
};
const timed = { ...rules, timestampHeader: 'X-Grafana-Alerting-Timestamp' };
const body = Buffer.from('{"alerts":[{"labels":{"alertname":"ü"}}]}');
const sign = (text: string | Buffer, secret = rules.secret) => createHmac('sha256', secret).update(text).digest('hex');

describe('BodySignature', () => {
  const clock = new FakeClock();
  const mistake = (headers: Record<string, string>, of = rules, text = body) =>
    new BodySignature(of, clock).mistakeOf(headers, text);
  const signed = (signature: string, at?: number) => ({
    'x-grafana-alerting-signature': signature,
    ...(at === undefined ? {} : { 'x-grafana-alerting-timestamp': String(at) }),
  });

  // Computed by openssl: printf '{"alerts":[]}' | openssl dgst -sha256 -hmac 'a secret of the contact point'
  it('is the one that another program computes', () => {
    const known = 'f3fc9c7bfcbba6129feb47f1c8a03af9e30a7856693b2dfc594e8c5f8cd2b017';
    expect(mistake(signed(known), rules, Buffer.from('{"alerts":[]}'))).toBeUndefined();
  });

  it('is right in either case of its digits, and for an empty body', () => {
    expect(mistake(signed(sign(body)))).toBeUndefined();
    expect(mistake(signed(sign(body).toUpperCase()))).toBeUndefined();
    expect(mistake(signed(sign('')), rules, Buffer.alloc(0))).toBeUndefined();
  });

  it.each([
    ['of another body', sign('{}')],
    ['by another secret', sign(body, 'another secret')],
    ['that has one digit changed', sign(body).replace(/^./, (digit) => (digit === '0' ? '1' : '0'))],
  ])('is wrong when it is one %s', (_, signature) => {
    expect(mistake(signed(signature))).toContain('the same secret');
  });

  it.each(['', 'x', sign(body).slice(1), `${sign(body)}00`, `sha256=${sign(body)}`, 'g'.repeat(64), 'ä'.repeat(64)])(
    'is none when it is "%s"',
    (signature) => {
      expect(mistake(signed(signature))).toContain('is no HMAC-SHA256 in hex');
    },
  );

  describe('with the time of signing', () => {
    const now = clock.now() / 1000;
    const at = (seconds: number) => signed(sign(Buffer.concat([Buffer.from(`${seconds}:`), body])), seconds);

    it.each([0, -300, 300])('is right %i s from now', (seconds) => {
      expect(mistake(at(now + seconds), timed)).toBeUndefined();
    });

    it.each([-301, 301, -now, 9e11])('is refused %i s from now', (seconds) => {
      expect(mistake(at(now + seconds), timed)).toContain('too far from the time of the gateway');
    });

    it('is refused without a time, or with one that is none', () => {
      expect(mistake(signed(sign(body)), timed)).toContain('is missing');
      for (const text of ['', 'now', '-1', '1.5', '1e3', '0x10'])
        expect(mistake({ ...signed(sign(body)), 'x-grafana-alerting-timestamp': text }, timed)).toContain('is missing');
    });

    it('is wrong when the time was changed', () => {
      expect(mistake({ ...at(now), 'x-grafana-alerting-timestamp': String(now + 1) }, timed)).toContain(
        'the same secret',
      );
    });
  });

  it('never quotes the secret or a signature', () => {
    for (const signature of ['nonsense', sign('x')]) {
      const told = mistake(signed(signature)) ?? '';
      expect([told.includes(rules.secret), told.includes(signature)]).toEqual([false, false]);
    }
  });
});
