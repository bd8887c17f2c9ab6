import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterAdmin, crdFile, manifests, namespace } from '../support/cluster-admin';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
import { RunningProcess } from '../support/process';
import { RedisServer } from '../support/redis-server';

/** `kubernaut-gateway check`, as a runbook runs it, in a real cluster under the gateway's own account. */
describe('kubernaut-gateway check', () => {
  let server: KubeApiServer;
  let admin: ClusterAdmin;
  let redis: RedisServer;
  let kubeconfig: string;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'gateway-check-'));
    redis = await RedisServer.start();
    server = await startKubeApiServer();
    admin = new ClusterAdmin(server);
    await admin.create(namespace('kubernaut-system'), ...manifests(crdFile), ...manifests('docs/rbac.yaml'));
    kubeconfig = server.kubeconfig(await admin.token('kubernaut-system', 'gateway-sa'), 'kubernaut-system');
  }, 60_000);
  afterAll(async () => {
    await admin.close();
    await server.close();
    await redis.stop();
    rmSync(directory, { recursive: true });
  });

  const check = async (settings: object = {}) => {
    const file = join(directory, 'gateway.yaml');
    writeFileSync(file, JSON.stringify({ kubernetes: { kubeconfig }, redis: { addr: redis.addr }, ...settings }));
    const process = await RunningProcess.start('node', ['dist/main.js', 'check', '--config', file]);
    const code = await process.ended;
    return { code, lines: process.output.split('\n').filter((line) => line !== '') };
  };

  it('says that everything is there', async () => {
    const { code, lines } = await check();
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^ok +redis +127\.0\.0\.1:\d+$/),
        expect.stringMatching(/^ok +kubernetes api +https:\S+ \(v1\.\d+\.\d+\)$/),
        expect.stringMatching(/^ok +crd +remediationrequests\.remediation\.kubernaut\.io$/),
        expect.stringMatching(/^ok +permission +create remediationrequests\.remediation\.kubernaut\.io$/),
        expect.stringMatching(
          /^ok +policy +the one of the gateway: there is no \/etc\/kubernaut\/policies\/priority\.rego$/,
        ),
      ]),
    );
    expect(code).toBe(0);
  });

  it('asks for the permissions of what is configured, and goes on without what it can do without', async () => {
    const { code, lines } = await check({ fingerprint: { identity: 'owner' } });
    expect(lines).toContainEqual(
      expect.stringMatching(/^degraded +permission +list pods \(to find the workloads that own objects\)$/),
    );
    expect(code).toBe(0);
  });

  it('fails without the Redis that is configured, though the gateway goes on without it', async () => {
    const { code, lines } = await check({ redis: { addr: `127.0.0.1:${await freePort()}`, on_failure: 'degrade' } });
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^missing +redis +127\.0\.0\.1:\d+: /),
        expect.stringMatching(/^kubernaut-gateway: 1 of what it needs is missing$/),
      ]),
    );
    expect(code).toBe(1);
  });

  it('fails when something is missing, and says what', async () => {
    const [crd] = manifests(crdFile);
    await admin.delete(crd!);
    const role = manifests('docs/rbac.yaml').find(({ kind }) => kind === 'ClusterRoleBinding');
    await admin.delete(role!);
    const policy = join(directory, 'priority.rego');
    writeFileSync(policy, 'package wrong {\n');
    const { code, lines } = await check({
      redis: { addr: `127.0.0.1:${await freePort()}`, on_failure: 'reject' },
      priority: { rego_policy_path: policy },
    });
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^missing +redis /),
        expect.stringMatching(/^missing +permission +create remediationrequests/),
        expect.stringMatching(/^missing +policy +\S*priority\.rego/),
        expect.stringMatching(/^kubernaut-gateway: \d+ of what it needs are missing$/),
      ]),
    );
    expect(code).toBe(1);
  });

  it('is content again when apply-crd has brought the CRD, or a newer one', async () => {
    const old = manifests(crdFile)[0] as unknown as { spec: { versions: [{ schema: { openAPIV3Schema: object } }] } };
    old.spec.versions[0].schema.openAPIV3Schema = { type: 'object' };
    await admin.create(old as never);
    const file = join(directory, 'admin.yaml');
    writeFileSync(file, JSON.stringify({ kubernetes: { kubeconfig: server.kubeconfig(server.adminToken) } }));
    const crd = async () => (await check({ kubernetes: { kubeconfig: server.kubeconfig(server.adminToken) } })).lines;
    await eventually(async () => expect(await crd()).toContainEqual(expect.stringMatching(/^missing +crd .* too old/)));
    const applying = await RunningProcess.start('node', ['dist/main.js', 'apply-crd', '--config', file]);
    expect([await applying.ended, applying.output]).toEqual([
      0,
      expect.stringMatching(/^remediationrequests\.remediation\.kubernaut\.io is that of version \d/),
    ]);
    await eventually(async () => expect(await crd()).toContainEqual(expect.stringMatching(/^ok +crd /)));
  });

  it('fails without an API server', async () => {
    const nobody = join(directory, 'nobody');
    const cluster = { server: `http://127.0.0.1:${await freePort()}` };
    const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u' } }];
    const users = [{ name: 'u', user: {} }];
    writeFileSync(
      nobody,
      JSON.stringify({ clusters: [{ name: 'c', cluster }], users, contexts, 'current-context': 'x' }),
    );
    const { code, lines } = await check({ kubernetes: { kubeconfig: nobody } });
    expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^missing +kubernetes api +no answer/)]));
    expect(code).toBe(1);
  });
});
