import { Processes, cpuSeconds } from './processes.mjs';
import { scenarios } from './scenarios.mjs';
const [kind, name='duplicates', n='8', nodeOptions='--max-semi-space-size=16'] = process.argv.slice(2);
const p = new Processes();
try {
  const generator = await p.fork('./generator.mjs', [], 0);
  const redisPort = await p.redis(0);
  const api = await p.fork('./api-server.mjs', [], 0);
  process.env.NODE_OPTIONS = nodeOptions;
  const g = kind === 'floor' ? await p.fork('./floor.mjs', [String(redisPort), api.first.url], 1).then(({ child, first }) => ({ pid: child.pid, ...first, token: '' }))
   : await p.gateway({ api: api.first.url, redisPort, core: 1 });
  const { alerts, prepare } = scenarios[name];
  const connections = Math.max(4, Math.min(32, Math.ceil(400 / alerts)));
  const post = (o) => generator.ask({ url: g.url, token: g.token, set: 0, scenario: name, connections, durationMs: 1000, ...o });
  let from = 0;
  if (prepare !== undefined) await post({ from: 0, prepare });
  const out = [];
  for (let i = 0; i < Number(n); i++) {
    const c0 = cpuSeconds(g.pid);
    const r = await post({ from, durationMs: 2000 });
    from += r.sent;
    out.push(`${(r.sent * alerts / r.seconds).toFixed(0)}/s ${((cpuSeconds(g.pid) - c0) / (r.sent * alerts) * 1e6).toFixed(0)}us`);
  }
  console.log(kind, name, out.join(' | '));
} finally { await p.end(); }
