import { kubectl } from '../support/kubectl';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

describe('kubectl against standalone mode', () => {
  let gateway: TestGateway;
  let name: string;
  beforeAll(async () => {
    gateway = await startTestGateway();
    const labels = { alertname: 'DiskFull', severity: 'critical', namespace: 'prod-payment-service', pod: 'db-0' };
    const { body } = await gateway.post({ version: '4', alerts: [{ labels }] });
    name = body.remediation_request_name;
  });
  afterAll(() => gateway.close());

  const run = (...args: string[]) => kubectl(gateway.apiUrl, ...args);

  it('shows requests of all namespaces with the columns of the CRD', async () => {
    const [header = '', row = ''] = (await run('get', 'rr', '-A')).split('\n');
    expect(header.split(/\s+/)).toEqual([
      'NAMESPACE',
      'NAME',
      'ALERT',
      'SEVERITY',
      'PRIORITY',
      'ENVIRONMENT',
      'PHASE',
      'AGE',
    ]);
    expect(row.split(/\s+/).slice(0, 6)).toEqual([
      'prod-payment-service',
      name,
      'DiskFull',
      'critical',
      'P1',
      'production',
    ]);
  });

  it('finds them by label', async () => {
    expect(await run('get', 'rr', '-A', '-l', 'kubernaut.io/severity=critical', '-o', 'name')).toContain(name);
    expect(await run('get', 'rr', '-A', '-l', 'kubernaut.io/severity=info', '-o', 'name')).toBe('');
  });

  it('describes one', async () => {
    const text = await run('describe', 'rr', name, '-n', 'prod-payment-service');
    expect(text).toMatch(/Alert Name:\s+DiskFull/);
    expect(text).toMatch(/Kind:\s+RemediationRequest/);
  });

  it('labels one, cannot change its spec, and deletes it', async () => {
    const place = [name, '-n', 'prod-payment-service'];
    expect(await run('label', 'rr', ...place, 'team=storage')).toContain('labeled');
    await expect(run('patch', 'rr', ...place, '--type=merge', '-p', '{"spec":{"priority":"P4"}}')).rejects.toThrow(
      'spec is immutable',
    );
    expect(await run('delete', 'rr', ...place)).toContain('deleted');
    await expect(run('get', 'rr', ...place)).rejects.toThrow('not found');
  });

  it('lists what is served', async () => {
    expect(await run('api-resources', '-o', 'name')).toContain('remediationrequests.remediation.kubernaut.io');
    expect(await run('get', 'namespaces', '-o', 'name')).toContain('namespace/kubernaut-system');
  });
});
