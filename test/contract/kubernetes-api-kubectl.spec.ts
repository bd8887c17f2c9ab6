import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import { kubectl } from '../support/kubectl';

/** kubectl reads what a server says of itself, and sends what a person would not. */
describe('kubectl against the API server of standalone mode', () => {
  const manifest = `
apiVersion: v1
kind: Namespace
metadata: { name: senders }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: sender, namespace: senders }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: 'example:send' }
rules:
  - { apiGroups: [gateway.kubernaut.io], resources: [signals], verbs: [create] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: look, namespace: senders }
rules:
  - { apiGroups: [''], resources: [configmaps], verbs: [get] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: 'example:send' }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'example:send' }
subjects:
  - { kind: ServiceAccount, name: sender, namespace: senders }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: look, namespace: senders }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: look }
subjects:
  - { kind: User, apiGroup: rbac.authorization.k8s.io, name: jane }
`;
  let directory: string;
  let server: KubernetesApiServer;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'kubectl-'));
    writeFileSync(join(directory, 'senders.yaml'), manifest);
    server = await startKubernetesApiServer({ listen: { host: '127.0.0.1', port: 0 }, tokens: [] });
  });
  afterAll(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });

  const run = (...args: string[]) => kubectl(server.url, ...args);

  it('applies accounts, roles and bindings, and a second time finds nothing to do', async () => {
    const apply = () => run('apply', '-f', join(directory, 'senders.yaml'));
    expect((await apply()).match(/created/g)).toHaveLength(6);
    expect((await apply()).match(/unchanged/g)).toHaveLength(6);
    expect(await run('get', 'sa,roles,rolebindings', '-n', 'senders', '-o', 'name')).toBe(
      [
        'serviceaccount/sender',
        'role.rbac.authorization.k8s.io/look',
        'rolebinding.rbac.authorization.k8s.io/look',
        '',
      ].join('\n'),
    );
    expect(await run('describe', 'clusterrolebinding', 'example:send')).toMatch(/ServiceAccount\s+sender\s+senders/);
  });

  it('creates what it sends in protobuf', async () => {
    const inSenders = ['-n', 'senders'];
    await run('create', 'namespace', 'made');
    await run('create', 'serviceaccount', 'made', '-n', 'made');
    await run('create', 'configmap', 'made', ...inSenders, '--from-literal=a=b', '--from-literal=c=d');
    await run('create', 'clusterrole', 'made', '--verb=get,list', '--resource=configmaps,namespaces');
    await run('create', 'role', 'made', ...inSenders, '--verb=get', '--resource=configmaps', '--resource-name=made');
    await run('create', 'clusterrolebinding', 'made', '--clusterrole=made', '--serviceaccount=made:made');
    await run('create', 'rolebinding', 'made', ...inSenders, '--role=made', '--group=makers');
    const get = async (...args: string[]): Promise<unknown> => JSON.parse(await run('get', ...args, '-o', 'json'));
    expect(await get('configmap', 'made', ...inSenders)).toMatchObject({ data: { a: 'b', c: 'd' } });
    expect(await get('clusterrole', 'made')).toMatchObject({
      rules: [{ apiGroups: [''], resources: ['configmaps', 'namespaces'], verbs: ['get', 'list'] }],
    });
    expect(await get('role', 'made', ...inSenders)).toMatchObject({ rules: [{ resourceNames: ['made'] }] });
    expect(await get('clusterrolebinding', 'made')).toMatchObject({
      subjects: [{ kind: 'ServiceAccount', name: 'made', namespace: 'made' }],
    });
    expect(await get('rolebinding', 'made', ...inSenders)).toMatchObject({
      subjects: [{ kind: 'Group', name: 'makers' }],
    });
  });

  it('gets a token for an account', async () => {
    const token = await run('create', 'token', 'sender', '-n', 'senders', '--audience', 'gateway', '--duration', '1h');
    const [, payload = ''] = token.trim().split('.');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      sub: 'system:serviceaccount:senders:sender',
      aud: ['gateway'],
    });
  });

  it('says what may be done', async () => {
    expect(await run('auth', 'can-i', 'create', 'signals.gateway.kubernaut.io')).toBe('yes\n');
  });

  it('waits until a namespace is gone', async () => {
    await run('delete', 'namespace', 'senders');
    await expect(run('get', 'sa', 'sender', '-n', 'senders')).rejects.toThrow('not found');
  });
});
