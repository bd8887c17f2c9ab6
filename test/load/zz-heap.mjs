import { fork } from 'node:child_process';
import { Processes, cpuSeconds } from './processes.mjs';
import { scenarios } from './scenarios.mjs';
import { setTimeout as pause } from 'node:timers/promises';
const [kind='gateway', name='duplicates', seconds='4', warm='10'] = process.argv.slice(2);
const p = new Processes();
try {
  const generator = await p.fork('./generator.mjs', [], 0);
  const redisPort = await p.redis(0);
  const api = await p.fork('./api-server.mjs', [], 0);
  process.env.NODE_OPTIONS = `--max-semi-space-size=16 --import /tmp/heapprof.mjs`;
  const g = kind === 'floor' ? await p.fork('./floor.mjs', [String(redisPort), api.first.url], 1).then(({ child, first }) => ({ pid: child.pid, ...first, token: '' }))
   : await p.gateway({ api: api.first.url, redisPort, core: 1 });
  delete process.env.NODE_OPTIONS;
  const { alerts, prepare } = scenarios[name];
  const connections = Math.max(4, Math.min(32, Math.ceil(400 / alerts)));
  const post = (o) => generator.ask({ url: g.url, token: g.token, set: 0, scenario: name, connections, durationMs: 1000, ...o });
  let from = 0;
  if (prepare !== undefined) await post({ from: 0, prepare });
  from += (await post({ from, durationMs: Number(warm) * 1000 })).sent;
  const c0 = cpuSeconds(g.pid);
  process.kill(g.pid, 'SIGUSR2');
  const r = await post({ from, durationMs: Number(seconds) * 1000 });
  const cpu = cpuSeconds(g.pid) - c0;
  process.kill(g.pid, 'SIGUSR2');
  console.log(kind, name, (r.sent * alerts / r.seconds).toFixed(0), 'alerts/s', (cpu / (r.sent * alerts) * 1e6).toFixed(1), 'us/alert', JSON.stringify(r.statuses), 'COUNT', r.sent*alerts);
  await pause(3000);
} finally { await p.end(); }
