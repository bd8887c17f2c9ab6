import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { amtool } from '../support/amtool';

const page = readFileSync(join(__dirname, '../../docs/runbooks/README.md'), 'utf8');

describe('the route that docs/runbooks/README.md shows', () => {
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'alert-route-'))));
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each([
    ['brings what it shall remediate to the gateway and to people', 'alertname=Any', 'kubernaut-gateway,people'],
    ['keeps the alerts about the gateway from it', 'kubernaut_remediate=false', 'people'],
  ])('%s', (_, label, receivers) => {
    const [, shown = ''] = /```yaml\n(route:[^]*?)```/.exec(page) ?? [];
    const config = join(directory, 'alertmanager.yml');
    const names = ['people', 'kubernaut-gateway'].map((name) => ({ name }));
    writeFileSync(config, stringify({ ...(parse(shown) as object), receivers: names }));
    expect(amtool('config', 'routes', 'test', `--config.file=${config}`, label).trim()).toBe(receivers);
  });
});
