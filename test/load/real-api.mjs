// What a create costs where it is a real one: a real API server with etcd, over TLS and with a token.
//
//   npm run bench:real-api [-- --seconds N] [--warm-up N] [--rounds N] [--connections N] [--json FILE]
//
// New alerts, one a webhook, as fast as they are answered; beside it a client that only creates objects like the gateway's, which shows
// what the API server can do. Both take turns in random order, on a core of their own; the API server, etcd, Redis and the generator share the
// other one. Medians.
import { parseArgs } from 'node:util';
import { Cluster } from './cluster.mjs';
import { Processes, cores, imageEnvironment, pin, shuffled } from './processes.mjs';
import { heading, printGoals, row, writeJson } from './report.mjs';
import { median } from './spread.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    'warm-up': { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    json: { type: 'string' },
  },
});

pin(process.pid, cores.others);
const processes = new Processes();
let cluster;
try {
  cluster = await Cluster.start();
  const { server, tokens, kubeconfig } = cluster;
  const redisPort = await processes.redis(cores.others);
  const gateway = await processes.gateway({ kubeconfig, redisPort, core: cores.measured });
  const generator = await processes.fork('./generator.mjs', [], cores.others);
  const bare = await processes.fork('./bare-client.mjs', [], cores.measured, { env: imageEnvironment() });
  const totals = { gateway: 0, bare: 0 };
  const post = (durationMs) =>
    generator.ask({
      urls: [gateway.url],
      token: tokens.sender,
      scenario: 'new',
      set: 0,
      from: totals.gateway,
      connections: Number(values.connections),
      durationMs,
    });
  const order = async (durationMs) => ({
    url: server.url,
    ca: server.ca,
    token: tokens.gateway,
    object: (await cluster.requests()).first,
    from: totals.bare,
    durationMs,
  });
  const work = { gateway: post, bare: async (durationMs) => bare.ask(await order(durationMs)) };
  const processOf = { gateway, bare };
  const rounds = [];
  const run = async (kind, duration) => {
    const before = await processOf[kind].ask('probe');
    const { sent, seconds, statuses = {} } = await work[kind](Number(duration) * 1000);
    const after = await processOf[kind].ask('probe');
    if (Object.keys(statuses).some((status) => status !== '201'))
      throw new Error(`the gateway answered ${JSON.stringify(statuses)}`);
    totals[kind] += sent;
    return {
      kind,
      perSecond: sent / seconds,
      cpuMicros: (after.cpuMicros - before.cpuMicros) / sent,
      mib: after.rss / 2 ** 20,
    };
  };
  // The gateway's comes first: the others are made like one of its objects. Code is compiled as it is used, and an API server is slow.
  for (const kind of ['gateway', 'bare']) await run(kind, values['warm-up']);
  for (let round = 0; round < Number(values.rounds); round++)
    for (const kind of shuffled(['gateway', 'bare'])) rounds.push(await run(kind, values.seconds));
  const { count } = await cluster.requests();
  report(rounds, { wanted: totals.gateway + totals.bare, objects: count });
} finally {
  await processes.end();
  await cluster?.close();
}

function report(rounds, exact) {
  const figures = Object.fromEntries(
    ['gateway', 'bare'].map((kind) => {
      const own = rounds.filter((round) => round.kind === kind);
      const mid = (what) => median(own.map((round) => round[what]));
      const range = [Math.min, Math.max]
        .map((of) => of(...own.map(({ perSecond }) => perSecond)).toFixed(0))
        .join(' to ');
      return [kind, { perSecond: mid('perSecond'), range, cpuMicros: mid('cpuMicros'), mib: mid('mib') }];
    }),
  );
  console.log(heading(['', 'creates/s', 'range', 'CPU µs a create', 'RSS, MiB']));
  for (const [kind, { perSecond, range, cpuMicros, mib }] of Object.entries(figures))
    console.log(row([kind, perSecond.toFixed(0), range, cpuMicros.toFixed(0), mib.toFixed(0)]));
  const valid = exact.objects === exact.wanted;
  console.log(`\n${exact.objects} objects for ${exact.wanted} fingerprints: ${valid ? 'valid' : 'NOT valid'}`);
  printGoals([{ what: 'CPU of a create', must: 250, aim: 150, measured: figures.gateway.cpuMicros, unit: ' µs' }]);
  writeJson(values.json, { figures, exact, rounds });
  if (!valid) process.exitCode = 1;
}
