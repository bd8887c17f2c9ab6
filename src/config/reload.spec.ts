import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../test/support/eventually';
import { loadConfig } from './load-config';
import { followConfigFile, type ReloadEvent } from './reload';

describe('following the configuration file', () => {
  let directory: string;
  let file: string;
  let stop: () => void;
  let events: ReloadEvent[];
  let levels: string[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gateway-reload-'));
    file = join(directory, 'gateway.yaml');
    events = [];
    levels = [];
    writeFileSync(file, 'logging: { level: info }\n');
    const load = () => loadConfig({ file, env: {} });
    stop = followConfigFile({
      file,
      pollMs: 10,
      load,
      current: load(),
      apply: ({ logging }) => levels.push(logging.level),
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

  it('changes nothing for a file with a mistake, and says which', async () => {
    expect(await change('logging: { level: loud }\n')).toEqual({
      kind: 'refused',
      reason: expect.stringContaining('logging.level: must be one of'),
    });
    expect(levels).toEqual([]);
  });
});
