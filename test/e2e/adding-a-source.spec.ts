import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { blocksOf } from '../support/document';
import { RunningProcess } from '../support/process';

const root = join(__dirname, '..', '..');
const parts = ['src', 'charts', 'policies', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
const token = 'the-good-token';

/** The project in another folder, changed as `docs/adding-a-source.md` says. */
describe('docs/adding-a-source.md', () => {
  const blocks = blocksOf('docs/adding-a-source.md');
  let folder: string;
  let gateway: RunningProcess;
  let url: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'adding-a-source-'));
    for (const part of parts) cpSync(join(root, part), join(folder, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const { language, text, name: file } of blocks) {
      if (language === 'diff') applyDiff(text, folder);
      else if (file !== undefined) {
        mkdirSync(dirname(join(folder, file)), { recursive: true });
        writeFileSync(join(folder, file), text);
      }
    }
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const args = [
      'dist/main.js',
      'standalone',
      '--config',
      'datadog.yaml',
      '--listen',
      '127.0.0.1:0',
      '--token',
      token,
    ];
    gateway = await RunningProcess.start(process.execPath, args, { cwd: folder });
    [, url = ''] = await gateway.printed(/gateway listening on (http:\S+)/, 20_000);
  }, 90_000);
  afterAll(async () => {
    await gateway.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  /** Runs the page's curl, with its body changed. */
  const curl = (change: (body: string) => string = (body) => body) => {
    const command = blocks.find(({ language }) => language === 'sh')?.text ?? '';
    const script = change(command.replace('http://127.0.0.1:8080', url)).replace(
      'curl -s',
      "curl -s -w ' %{http_code}'",
    );
    const printed = execFileSync('sh', ['-c', script], { encoding: 'utf8', env: { ...process.env, TOKEN: token } });
    const [, body = '', status] = /^(.*) (\d+)$/s.exec(printed) ?? [];
    return { status: Number(status), body: JSON.parse(body) as Record<string, unknown> };
  };

  it('makes a source that answers as it says', () => {
    expect(curl()).toMatchObject({
      status: 201,
      body: { status: 'created', namespace: 'prod-payment-service', environment: 'production', priority: 'P1' },
    });
    expect(curl()).toMatchObject({ status: 202, body: { status: 'duplicate' } });
    expect(curl((body) => body.replace('Triggered', 'Recovered'))).toMatchObject({
      status: 202,
      body: { status: 'resolved', reason: 'resolved' },
    });
  });

  it('has it refuse what is no webhook of it, and say what to do', () => {
    expect(curl((body) => body.replace('"title":', '"titel":'))).toMatchObject({
      status: 400,
      body: { details: { validation_errors: [expect.stringContaining('$ALERT_TITLE')] } },
    });
  });

  it('puts it into the API explorer and the configuration', async () => {
    const document = (await (await fetch(`${url}/docs/openapi.json`)).json()) as { paths: object };
    expect(Object.keys(document.paths)).toContain('/api/v1/signals/datadog');
    const script = "console.log(require('./dist/config/configuration-reference.js').configurationReference())";
    const reference = execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' });
    expect(reference).toContain('GATEWAY_ADAPTERS__DATADOG__ENABLED');
  });
});

/** Lines that go and lines that come, in the file that the head of the diff names; lines that stay say where. */
function applyDiff(diff: string, folder: string): void {
  const file = join(folder, /^\+\+\+ b\/(\S+)$/m.exec(diff)?.[1] ?? '');
  const lines = readFileSync(file, 'utf8').split('\n');
  let at = 0;
  for (const change of diff.split('\n').filter((line) => line !== '' && !/^(---|\+\+\+) /.test(line))) {
    const text = change.slice(1);
    if (change.startsWith('+')) {
      lines.splice(at++, 0, text);
      continue;
    }
    at = lines.indexOf(text);
    if (at < 0) throw new Error(`${file} has no line ${text}`);
    if (change.startsWith('-')) lines.splice(at, 1);
    else at++;
  }
  writeFileSync(file, lines.join('\n'));
}
