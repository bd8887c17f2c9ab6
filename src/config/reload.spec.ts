import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../test/support/eventually';
import { versionOf } from '../file-version';
import type { GatewayConfig } from './gateway-config';
import { loadConfig } from './load-config';
import { followConfigFile, type ReloadEvent } from './reload';

describe('following the configuration file', () => {
  let directory: string;
  let file: string;
  let stop: () => void;
  let events: ReloadEvent[];
  let levels: string[];
  let running: GatewayConfig;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gateway-reload-'));
    file = join(directory, 'gateway.yaml');
    events = [];
    levels = [];
    writeFileSync(file, 'logging: { level: info }\n');
    const load = () => loadConfig({ file, env: {} });
    const current = load();
    running = current;
    stop = followConfigFile({
      file,
      pollMs: 10,
      load,
      version: versionOf(file),
      current,
      tookOver: () => levels.push(current.logging.level),
      tell: (event) => events.push(event),
    });
  });
  afterEach(() => {
    stop();
    rmSync(directory, { recursive: true });
  });

  /** Puts another file in its place, as a mounted ConfigMap changes, and waits until that was noticed. */
  const change = async (text: string) => {
    const before = events.length;
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
    await eventually(() => expect(events).toHaveLength(before + 1));
    return events.at(-1);
  };

  it('applies what can change, and tells what differs from what runs until it is started again', async () => {
    expect(await change('logging: { level: debug }\nredis: { db: 2 }\n')).toEqual({
      kind: 'reloaded',
      needRestart: ['redis.db'],
    });
    expect(await change('logging: { level: warn }\nredis: { db: 2 }\n')).toEqual({
      kind: 'reloaded',
      needRestart: ['redis.db'],
    });
    expect(await change('logging: { level: info }\n')).toEqual({ kind: 'reloaded', needRestart: [] });
    expect(levels).toEqual(['debug', 'warn', 'info']);
  });

  it('notices what was changed between the reading and the following', async () => {
    stop();
    const before = versionOf(file);
    writeFileSync(file, 'logging: { level: error }\n');
    const load = () => loadConfig({ file, env: {} });
    const tell = (event: ReloadEvent) => events.push(event);
    stop = followConfigFile({
      file,
      pollMs: 10,
      load,
      version: before,
      current: running,
      tookOver: () => undefined,
      tell,
    });
    await eventually(() => expect(running.logging.level).toBe('error'));
    expect(events).toEqual([{ kind: 'reloaded', needRestart: [] }]);
  });

  it('has what runs take over what it may, and nothing else', async () => {
    await change('storm_detection: { rate_threshold: 7, flush_interval: 1s, enabled: false }\nredis: { db: 2 }\n');
    const { stormDetection, redis } = running;
    expect(stormDetection).toMatchObject({ rateThreshold: 7, flushInterval: 1_000, enabled: true });
    expect(redis.db).toBe(0);
  });

  it('goes on with what it knows while the file cannot be looked at', async () => {
    rmSync(file);
    symlinkSync(file, `${file}.loop`);
    renameSync(`${file}.loop`, file);
    await delay(100);
    expect(events).toEqual([]);
    rmSync(file);
    expect(await change('logging: { level: debug }\n')).toMatchObject({ kind: 'reloaded' });
  });

  it('changes nothing for a file with a mistake, and says which', async () => {
    expect(await change('logging: { level: loud }\n')).toEqual({
      kind: 'refused',
      reason: expect.stringContaining('logging.level: must be one of'),
    });
    expect(levels).toEqual([]);
  });
});
