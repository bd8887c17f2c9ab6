// The gateway against the least that any gateway on this stack does (floor.mjs), in one run:
//
//   npm run bench [-- scenario …] [--seconds N] [--warm-up N] [--rounds N] [--json FILE]
//
// Three servers side by side, each with a Redis and an API server of its own: the floor, the gateway, and the same gateway once more (A/A).
// One is measured at a time, on a core that it has for itself, in rounds of random order, many and short ones, for a machine that is
// shared changes its speed within seconds; everything else runs on the other core. Medians, with range. Before that each is warmed up until the
// engine has compiled what is hot: that takes the floor ten thousand webhooks, and the gateway, which is more code, forty thousand. No longer
// than that: every new alert leaves an object behind, which nobody ends here, and of which there would be a million on a fast machine.
import { parseArgs } from 'node:util';
import { goalsOf } from './bench-goals.mjs';
import { Processes, cores, cpuSeconds, shuffled } from './processes.mjs';
import { RedisCounts } from './redis-counts.mjs';
import { apart, heading, printGoals, rowOf, writeJson } from './report.mjs';
import { scenarios } from './scenarios.mjs';
import { median } from './spread.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '1' },
    'warm-up': { type: 'string', default: '40' },
    rounds: { type: 'string', default: '15' },
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
/** A warm-up ends after so many of either, or after its time. */
const warmUpWebhooks = 60_000;
const warmUpAlerts = 100_000;
/** Two copies of one build may differ by so much, or the run says nothing. */
const mostDifference = 0.1;

async function measure(name) {
  const processes = new Processes();
  const scenario = scenarios[name];
  const targets = [];
  try {
    const generator = await processes.fork('./generator.mjs', [], cores.others);
    for (const [set, kind] of ['floor', 'gateway', 'again'].entries()) {
      const redisPort = await processes.redis(cores.others);
      const api = await processes.fork('./api-server.mjs', [], cores.others);
      const neighbours = { api: api.first.url, redisPort, core: cores.measured };
      const server = kind === 'floor' ? await processes.floor(neighbours) : await processes.gateway(neighbours);
      targets.push({ kind, ...server, set, api, redis: new RedisCounts(redisPort), from: 0, rounds: [] });
    }
    const most = scenario.connections ?? Math.min(Number(values.connections), Math.ceil(400 / scenario.alerts));
    const common = { scenario: name, connections: Math.max(4, most), durationMs };
    const post = async (target, options) => {
      const { url, token, set, from } = target;
      const posted = await generator.ask({ urls: [url], token, set, from, ...common, ...options });
      if (Object.keys(posted.statuses).some((status) => !/^20[012]$/.test(status)))
        throw new Error(`${name}, ${target.kind}: answered ${JSON.stringify(posted.statuses)}`);
      if (options.prepare === undefined) target.from += posted.sent;
      return posted;
    };
    for (const target of targets) {
      if (scenario.prepare !== undefined) await post(target, { prepare: scenario.prepare });
      const count = Math.ceil(Math.min(warmUpWebhooks, warmUpAlerts / scenario.alerts));
      await post(target, { durationMs: Number(values['warm-up']) * 1000, count });
    }
    for (let round = 0; round < rounds; round++)
      for (const target of shuffled(targets)) target.rounds.push(await measured(target, generator, post, scenario));
    const exact = [];
    for (const { kind, from, api } of targets)
      exact.push(countsOf(kind, scenario.distinct(from), await api.ask('storms')));
    return summary(name, targets, exact);
  } finally {
    for (const { redis } of targets) redis.close();
    await processes.end();
  }
}

/** One round of one server. */
async function measured(target, generator, post, { alerts }) {
  const state = async () => ({
    ...(await target.ask('probe')),
    ...(await target.redis.take()),
    ...(await target.api.ask()),
    driver: cpuSeconds(generator.pid),
  });
  const before = await state();
  const { sent, seconds, latency } = await post(target, {});
  const after = await state();
  const grown = (what) => after[what] - before[what];
  return {
    alertsPerSecond: (sent * alerts) / seconds,
    cpuMicros: grown('cpuMicros') / (sent * alerts),
    allocatedKib: after.allocated / 1024 / (sent * alerts),
    keptKib: after.kept / 1024 / (sent * alerts),
    collections: after.collections,
    loopMs: after.loopMs,
    mib: after.rss / 2 ** 20,
    latency,
    scripts: grown('scripts') / sent,
    reads: grown('reads') / sent,
    creates: grown('creates'),
    patches: grown('patches'),
    connections: grown('connections'),
    driverBusy: grown('driver') / seconds,
  };
}

/** Alerts that an API server knows of, each as an object of its own or counted by the object of its storm, and how many there should be. */
function countsOf(kind, wanted, { objects, creates, patches, storms, stormAlerts }) {
  return { kind, wanted, counted: objects - storms + stormAlerts, objects, creates, patches, storms, stormAlerts };
}

function summary(name, targets, exact) {
  const figures = Object.fromEntries(
    targets.map(({ kind, rounds: all, startSeconds }) => {
      const mid = (of) => median(all.map(of));
      const sum = (of) => all.map(of).reduce((a, b) => a + b, 0);
      const plain = [
        'alertsPerSecond',
        'cpuMicros',
        'allocatedKib',
        'keptKib',
        'mib',
        'scripts',
        'reads',
        'driverBusy',
      ];
      return [
        kind,
        {
          ...Object.fromEntries(plain.map((what) => [what, mid((round) => round[what])])),
          loopP99: mid(({ loopMs }) => loopMs.p99),
          p99: mid(({ latency }) => latency.p99),
          connectionsPerCreate: sum(({ connections }) => connections) / (sum(({ creates }) => creates) || 1),
          startSeconds,
        },
      ];
    }),
  );
  const [floors, gateways] = targets.map((target) => target.rounds.map(({ alertsPerSecond }) => alertsPerSecond));
  const ratios = gateways.map((alertsPerSecond, i) => alertsPerSecond / floors[i]);
  const difference = apart([figures.gateway.alertsPerSecond, figures.again.alertsPerSecond]);
  const problems = [
    ...(difference > mostDifference ? [`A/A differ by ${(difference * 100).toFixed(0)} %`] : []),
    ...exact
      .filter(({ wanted, counted }) => wanted !== counted)
      .map(({ kind, wanted, counted }) => `${kind}: ${counted} counted of ${wanted} fingerprints`),
  ];
  return {
    scenario: name,
    ...figures,
    ratio: figures.gateway.alertsPerSecond / figures.floor.alertsPerSecond,
    range: [Math.min(...ratios), Math.max(...ratios)],
    aa: difference,
    problems,
    exact,
    rounds: Object.fromEntries(targets.map(({ kind, rounds: all }) => [kind, all])),
  };
}

const both = (of) => (result) => `${of(result.floor)} / ${of(result.gateway)}`;
const columns = [
  ['floor / gateway', ({ scenario }) => scenario],
  ['alerts/s', both(({ alertsPerSecond }) => alertsPerSecond.toFixed(0))],
  ['ratio', ({ ratio, range: [least, most] }) => `${ratio.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`],
  ['CPU µs', both(({ cpuMicros }) => cpuMicros.toFixed(0))],
  ['KiB', both(({ allocatedKib }) => allocatedKib.toFixed(1))],
  ['KiB kept', both(({ keptKib }) => keptKib.toFixed(1))],
  ['loop p99 ms', both(({ loopP99 }) => loopP99.toFixed(1))],
  ['RSS MiB', both(({ mib }) => mib.toFixed(0))],
  ['start s', both(({ startSeconds }) => startSeconds.toFixed(2))],
  ['scripts, reads', ({ gateway: { scripts, reads } }) => `${scripts.toFixed(2)}, ${reads.toFixed(2)}`],
  ['A/A', ({ aa }) => `${(aa * 100).toFixed(0)} %`],
  ['valid', ({ problems }) => (problems.length === 0 ? 'yes' : problems.join('; '))],
];
console.log(
  'CPU, memory allocated, and what of it collections of the young generation moved to the old one: of an alert; scripts run by Redis, and its reads: of a webhook to the gateway.\n',
);
console.log(heading(columns.map(([title]) => title)));
const results = [];
for (const name of chosen) {
  const result = await measure(name);
  results.push(result);
  console.log(rowOf(columns, result));
}
printGoals(goalsOf(results));
writeJson(values.json, { results });
if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
