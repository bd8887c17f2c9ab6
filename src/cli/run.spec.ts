import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../version';
import { run } from './run';

describe('the command line', () => {
  let directory: string;
  let printed: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gateway-cli-'));
    printed = '';
    jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(directory, { recursive: true });
  });

  const fileWith = (text: string) => {
    const file = join(directory, 'gateway.yaml');
    writeFileSync(file, text);
    return file;
  };

  it('prints its version', async () => {
    await run(['--version'], {});
    expect(printed).toBe(`${version}\n`);
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
  });

  it.each(['--help', '-h', 'help'])('prints its commands for %s', async (word) => {
    await run([word], {});
    for (const command of ['standalone', 'validate-config', '--version', '--config'])
      expect(printed).toContain(command);
  });

  it.each([
    ['check', '--help'],
    ['standalone', '-h'],
    ['policy', 'eval', '--help'],
  ])('prints its commands where a command is asked for help: %s %s', async (...words) => {
    await run(words, {});
    expect(printed).toContain('kubernaut-gateway policy eval FILE --input JSON');
  });

  it.each([
    [['policy'], 'policy: it takes check, eval'],
    [['policy', 'bogus'], 'policy: "bogus" is none of check, eval'],
    [['policy', 'check'], 'policy check: the file of the policy is missing'],
    [['policy', 'check', 'a.yaml'], 'a.yaml'],
    [['policy', 'eval', 'a.rego', '--input', '[]'], 'policy eval: --input must be an object'],
    [['policy', 'eval', '--input', '{', 'a.rego'], 'policy eval: --input is no JSON'],
    [['policy', 'eval', 'a.rego'], 'policy eval: --input with a JSON text, or a file of one, is missing'],
  ])('refuses %j, and says why', async (args, reason) => {
    await expect(run(args, {})).rejects.toThrow(reason);
  });

  it.each([
    [['serve'], 'there is no command "serve"'],
    [['--nope'], "Unknown option '--nope'"],
    [['--config'], "'--config <value>' argument missing"],
    [['--config', 'a.yaml', 'b.yaml'], 'b.yaml'],
    [['validate-config', '--listen', ':1'], "Unknown option '--listen'"],
    [['standalone', '--tokn', 'x'], "Unknown option '--tokn'"],
  ])('refuses %j, and says how it is used', async (args, reason) => {
    const refused = run(args, {});
    await expect(refused).rejects.toThrow(reason);
    await expect(refused).rejects.toThrow('kubernaut-gateway validate-config [--config FILE]');
  });

  it.each([
    [['--listen', '8080'], '--listen: "8080" is no address to listen on'],
    [['--api-listen', ':65536'], '--api-listen: ":65536" is no address to listen on'],
    [['--token', 'two words'], '--token: must be printable characters without a space'],
  ])('starts no standalone gateway with %j', async (args, reason) => {
    await expect(run(['standalone', ...args], {})).rejects.toThrow(reason);
  });

  it('checks a configuration, its variables included', async () => {
    const file = fileWith('redis: { db: 2 }\n');
    await run(['validate-config', '--config', file], { LOG_LEVEL: 'debug' });
    expect(printed).toBe('the configuration is valid\n');
    await expect(run(['validate-config', '--config', file], { LOG_LEVEL: 'loud', REDIS_DB: 'x' })).rejects.toThrow(
      'the configuration has 2 mistakes',
    );
    await expect(run(['validate-config'], { GATEWAY_CONFIG_FILE: fileWith('nope: 1\n') })).rejects.toThrow(
      'nope: there is no such setting',
    );
  });

  it('checks a priority policy, and tells what it decides', async () => {
    const policy = join(__dirname, '../../policies/priority.wasm');
    await run(['policy', 'check', policy], {});
    const input = { severity: 'critical', environment: 'production', labels: { tier: '0' } };
    await run(['policy', 'eval', policy, '--input', JSON.stringify(input)], {});
    await run(['policy', 'eval', policy, '--input', fileWith(JSON.stringify({ ...input, labels: {} }))], {});
    expect(printed).toBe(`${policy} can be used: it decides all 18 signals that it was tried on\nP0\nP1\n`);
    await expect(run(['policy', 'eval', policy], {})).rejects.toThrow('--input');
    await expect(run(['policy', 'eval', policy, '--input', '{'], {})).rejects.toThrow('is no JSON');
    await expect(run(['policy', 'lint', policy], {})).rejects.toThrow('none of check, eval');
    await expect(run(['policy', 'check'], {})).rejects.toThrow('is missing');
    const config = fileWith('priority: { rego_policy_path: /nowhere/priority.rego }\n');
    await expect(run(['validate-config', '--config', config], {})).rejects.toThrow(
      '/nowhere/priority.rego cannot be read',
    );
  });

  it.each([[[]], [['standalone']]])('starts nothing with a configuration that has a mistake: %j', async (args) => {
    await expect(run([...args, '--config', fileWith('redis: { db: x }\n')], {})).rejects.toThrow('redis.db: must be');
  });
});
