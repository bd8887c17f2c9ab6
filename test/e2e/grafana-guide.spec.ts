import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load-config';
import { blockNamed, blocksOf } from '../support/document';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const secret = 'a secret that both sides know';

interface ContactPoint {
  readonly contactPoints: readonly {
    readonly receivers: readonly {
      readonly type: string;
      readonly settings: {
        readonly url: string;
        readonly httpMethod: string;
        readonly authorization_scheme?: string;
        readonly hmacConfig?: { readonly header: string; readonly timestampHeader: string };
      };
    }[];
  }[];
}

describe('docs/integrations/grafana.md', () => {
  const blocks = blocksOf('docs/integrations/grafana.md');
  const receiverOf = (name: string) =>
    (parse(blockNamed(blocks, name)) as ContactPoint).contactPoints[0]!.receivers[0]!;
  let gateway: TestGateway;

  beforeAll(async () => {
    // The settings of the guide go through the loader, its variable included.
    const directory = mkdtempSync(join(tmpdir(), 'grafana-guide-'));
    const file = join(directory, 'gateway.yaml');
    writeFileSync(file, blockNamed(blocks, 'gateway.yaml'));
    const { adapters } = loadConfig({ file, env: { GRAFANA_HMAC_SECRET: secret } });
    rmSync(directory, { recursive: true });
    const { hmac } = adapters.grafana;
    gateway = await startTestGateway({
      adapters: {
        grafana: {
          enabled: adapters.grafana.enabled,
          hmac: { secret: hmac.secret, header: hmac.header, timestamp_header: hmac.timestampHeader },
        },
      },
    });
    const binding = parse(blockNamed(blocks, 'rbac.yaml')) as object;
    await gateway.kubernetes('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', binding);
  });
  afterAll(() => gateway.close());

  /** As Grafana does it with the settings of a contact point. */
  const send = async (name: string, body: string) => {
    const { settings, type } = receiverOf(name);
    expect([type, settings.httpMethod]).toEqual(['webhook', 'POST']);
    const seconds = String(Math.floor(Date.now() / 1000));
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (settings.authorization_scheme) headers.authorization = `${settings.authorization_scheme} ${gateway.token}`;
    if (settings.hmacConfig) {
      headers[settings.hmacConfig.timestampHeader] = seconds;
      const hmac = createHmac('sha256', secret);
      headers[settings.hmacConfig.header] = hmac.update(`${seconds}:${body}`).digest('hex');
    }
    return fetch(gateway.url + new URL(settings.url).pathname, { method: settings.httpMethod, headers, body });
  };

  it.each(['contact-point-token.yaml', 'contact-point-hmac.yaml'])(
    'has a contact point that is let in: %s',
    async (name) => {
      const alert = { status: 'firing', labels: { alertname: name, namespace: 'test', pod: 'a' } };
      expect((await send(name, JSON.stringify({ version: '1', alerts: [alert] }))).status).toBe(201);
    },
  );

  it('has a command that is answered as it says', async () => {
    const command = blocks.find(({ language }) => language === 'sh')?.text ?? '';
    const env = { ...process.env, GATEWAY: gateway.url, GRAFANA_HMAC_SECRET: secret };
    const { stdout } = await promisify(execFile)('sh', ['-ec', command], { env });
    expect(JSON.parse(stdout)).toMatchObject({ status: 'created', namespace: 'staging-checkout' });
  });
});
