// The gateway against the least that any gateway on this stack does (floor.mjs), in one run: npm run bench [-- scenario …] [--seconds N]
// [--rounds N] [--json FILE]
//
// Three servers side by side, each with a Redis and an API server of its own: the floor, the gateway, and the same gateway once more (A/A). One is
// measured at a time, on a core that it has for itself, in rounds of random order; everything else runs on the other core. Medians, with range.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Processes, cpuSeconds, residentMib, textOf } from './processes.mjs';
import { scenarios } from './scenarios.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '32' },
    json: { type: 'string', default: 'bench.json' },
  },
});
const chosen = positionals.length > 0 ? positionals : Object.keys(scenarios);
const unknown = chosen.filter((name) => !Object.hasOwn(scenarios, name));
if (unknown.length > 0)
  throw new Error(`no scenario ${unknown.join(', ')}: there are ${Object.keys(scenarios).join(', ')}`);
const rounds = Number(values.rounds);
const durationMs = Number(values.seconds) * 1000;
/** Two copies of one build may differ by so much, or the run says nothing. */
const mostDifference = 0.1;
const [ours, others] = availableParallelism() > 1 ? [1, 0] : [];

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const shuffled = (list) =>
  list
    .map((item) => [Math.random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);

async function measure(name) {
  const processes = new Processes();
  try {
    const generator = await processes.fork('./generator.mjs', [], others);
    const targets = [];
    for (const [index, kind] of ['floor', 'gateway', 'again'].entries()) {
      const redisPort = await processes.redis(others);
      const api = await processes.fork('./api-server.mjs', [], others);
      const started =
        kind === 'floor'
          ? await processes
              .fork('./floor.mjs', [String(redisPort), api.first.url], ours)
              .then(({ child, first }) => ({ pid: child.pid, ...first, token: '' }))
          : await processes.gateway({ api: api.first.url, redisPort, core: ours });
      targets.push({ kind, ...started, set: index, api, from: 0, rounds: [] });
    }
    const { alerts, prepare, distinct } = scenarios[name];
    const connections = Math.max(4, Math.min(Number(values.connections), Math.ceil(400 / alerts)));
    const post = (target, options) => {
      const { url, token, set, from } = target;
      return generator.ask({ url, token, set, from, scenario: name, connections, durationMs, ...options });
    };
    const warm = async (target) => {
      if (prepare !== undefined) await post(target, { prepare });
      target.from += (await post(target, {})).sent;
    };
    for (const target of targets) await warm(target);
    for (let round = 0; round < rounds; round++) {
      for (const target of shuffled(targets)) {
        const before = {
          cpu: cpuSeconds(target.pid),
          driver: cpuSeconds(generator.child.pid),
          api: await target.api.ask('count'),
        };
        if (target.metrics) await textOf(target.metrics);
        const { sent, seconds, statuses, latency } = await post(target, {});
        target.from += sent;
        const refused = Object.entries(statuses).filter(([status]) => !status.startsWith('20'));
        if (refused.length > 0) throw new Error(`${name}, ${target.kind}: answered ${JSON.stringify(statuses)}`);
        target.rounds.push({
          alertsPerSecond: (sent * alerts) / seconds,
          cpuMicros: ((cpuSeconds(target.pid) - before.cpu) / (sent * alerts)) * 1e6,
          driverBusy: (cpuSeconds(generator.child.pid) - before.driver) / seconds,
          p99: latency.p99,
          loopMs: target.metrics
            ? Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(await textOf(target.metrics))?.[1]) * 1000
            : undefined,
          connections: (await target.api.ask('count')).connections - before.api.connections,
        });
      }
    }
    const exact = [];
    for (const { kind, from, api } of targets) {
      const { objects, creates, patches } = await api.ask('count');
      exact.push({ kind, wanted: distinct(from), objects, creates, patches });
    }
    return summary(name, targets, exact);
  } finally {
    await processes.end();
  }
}

function summary(name, targets, exact) {
  const of = (kind) => targets.find((target) => target.kind === kind);
  const mid = (kind, what) => median(of(kind).rounds.map((round) => round[what]));
  const ratios = of('gateway').rounds.map(
    ({ alertsPerSecond }, i) => alertsPerSecond / of('floor').rounds[i].alertsPerSecond,
  );
  const difference = Math.abs(mid('gateway', 'alertsPerSecond') / mid('again', 'alertsPerSecond') - 1);
  const problems = [
    ...(difference > mostDifference ? [`A/A differ by ${(difference * 100).toFixed(0)} %`] : []),
    ...exact
      .filter(({ wanted, objects }) => wanted !== objects)
      .map(({ kind, wanted, objects }) => `${kind}: ${objects} objects for ${wanted} fingerprints`),
  ];
  return {
    scenario: name,
    floor: mid('floor', 'alertsPerSecond'),
    gateway: mid('gateway', 'alertsPerSecond'),
    ratio: mid('gateway', 'alertsPerSecond') / mid('floor', 'alertsPerSecond'),
    range: [Math.min(...ratios), Math.max(...ratios)],
    aa: difference,
    cpuMicros: mid('gateway', 'cpuMicros'),
    floorCpuMicros: mid('floor', 'cpuMicros'),
    p99: mid('gateway', 'p99'),
    loopMs: mid('gateway', 'loopMs'),
    mib: residentMib(of('gateway').pid),
    startSeconds: of('gateway').startSeconds,
    connections: of('gateway').rounds.reduce((sum, { connections }) => sum + connections, 0),
    problems,
    exact,
    rounds: Object.fromEntries(targets.map(({ kind, rounds: all }) => [kind, all])),
  };
}

const columns = [
  ['scenario', ({ scenario }) => scenario],
  ['floor, alerts/s', ({ floor }) => floor.toFixed(0)],
  ['gateway, alerts/s', ({ gateway }) => gateway.toFixed(0)],
  ['ratio', ({ ratio }) => ratio.toFixed(2)],
  ['range', ({ range: [least, most] }) => `${least.toFixed(2)} to ${most.toFixed(2)}`],
  ['A/A', ({ aa }) => `${(aa * 100).toFixed(0)} %`],
  [
    'CPU an alert',
    ({ cpuMicros, floorCpuMicros }) => `${cpuMicros.toFixed(0)} µs (floor ${floorCpuMicros.toFixed(0)})`,
  ],
  ['p99', ({ p99 }) => `${p99.toFixed(0)} ms`],
  ['longest loop delay', ({ loopMs }) => `${loopMs.toFixed(0)} ms`],
  ['resident', ({ mib }) => `${mib.toFixed(0)} MiB`],
  ['start', ({ startSeconds }) => `${startSeconds.toFixed(2)} s`],
  ['valid', ({ problems }) => (problems.length === 0 ? 'yes' : problems.join('; '))],
];
console.log(`| ${columns.map(([title]) => title).join(' | ')} |\n|${columns.map(() => '---').join('|')}|`);
const results = [];
for (const name of chosen) {
  const result = await measure(name);
  results.push(result);
  console.log(`| ${columns.map(([, cell]) => cell(result)).join(' | ')} |`);
}
writeFileSync(
  values.json,
  `${JSON.stringify({ node: process.version, at: new Date().toISOString(), results }, undefined, 2)}\n`,
);
if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
