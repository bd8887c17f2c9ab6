// Two gateways as two pods have them, each with half a core, under webhooks that come at a fixed rate whether answers come or not:
//
//   npm run bench:open [-- --rates 100,1250,2500] [--seconds N] [--warm-up N] [--rounds N] [--api MS] [--floor] [--json FILE]
//
// Half of the alerts are new and half repeat one; webhooks take turns between the gateways, which share a Redis and an API server. Latency
// counts from when a webhook was due. Each rate of each round has processes of its own, in random order. The gateways are on one core,
// everything else is on the other one. Medians of rounds; of the longest times, of memory and of lateness the worst. The lowest rate shows
// what is left where nobody waits. With --floor two floors (floor.mjs) are measured as well, in their place: what they miss is the machine's.
import { parseArgs } from 'node:util';
import { Processes, cores, shuffled } from './processes.mjs';
import { CpuQuota } from './quota.mjs';
import { apart, heading, printGoals, rowOf, writeJson } from './report.mjs';
import { scenarios } from './scenarios.mjs';
import { median } from './spread.mjs';

const { values } = parseArgs({
  options: {
    rates: { type: 'string', default: '100,1250,2500' },
    seconds: { type: 'string', default: '20' },
    'warm-up': { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    api: { type: 'string', default: '8' },
    floor: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rates = values.rates.split(',').map(Number);
const kinds = values.floor ? ['floor', 'gateway'] : ['gateway'];
const apiMs = Number(values.api);
const coresEach = 0.5;
const scenario = 'half';
/** More than these, and the run says nothing. */
const mostLatenessMs = 2;
const mostDifference = 0.1;
/** Of each gateway. */
const connections = 128;

async function measure({ kind, rate }) {
  const processes = new Processes();
  try {
    const redisPort = await processes.redis(cores.others);
    const api = await processes.fork('./api-server.mjs', [values.api], cores.others);
    const gateways = [];
    for (let i = 0; i < 2; i++)
      gateways.push(await processes[kind]({ api: api.first.url, redisPort, core: cores.measured }));
    const quotas = gateways.map(({ pid }) => processes.quota(pid, coresEach));
    const generator = await processes.punctualGenerator(cores.others);
    const urls = gateways.map(({ url }) => url);
    const post = (order) => generator.ask({ urls, token: gateways[0].token, scenario, set: 0, connections, ...order });
    await post({ prepare: scenarios[scenario].prepare });
    const warm = await post({ from: 0, durationMs: Number(values['warm-up']) * 1000, rate });

    await api.ask('count');
    const before = await Promise.all(gateways.map(({ ask }) => ask('probe')));
    const periodsBefore = quotas.map(({ periods }) => periods);
    const posted = await post({ from: warm.sent, durationMs: Number(values.seconds) * 1000, rate });
    const after = await Promise.all(gateways.map(({ ask }) => ask('probe')));
    const periods = quotas.map((quota, i) => ({
      all: quota.periods.all - periodsBefore[i].all,
      throttled: quota.periods.throttled - periodsBefore[i].throttled,
    }));
    const { objects, took } = await api.ask('count');
    return {
      kind,
      rate,
      ...posted,
      warmUp: warm.statuses,
      cpuMicros: after.reduce((sum, { cpuMicros }, i) => sum + cpuMicros - before[i].cpuMicros, 0) / posted.sent,
      mib: after.map(({ rss }) => rss / 2 ** 20),
      loopMs: after.map(({ loopMs }) => loopMs),
      periods,
      api: took,
      objects,
      wanted: scenarios[scenario].distinct(warm.sent + posted.sent),
    };
  } finally {
    await processes.end();
  }
}

function summary({ kind, rate }, rounds) {
  const mid = (of) => median(rounds.map(of));
  const refused = rounds
    .flatMap(({ statuses, warmUp }) => Object.keys({ ...statuses, ...warmUp }))
    .filter((status) => !/^20[12]$/.test(status));
  const lateness = Math.max(...rounds.map((round) => round.lateness.p99));
  // Half of the webhooks wait for the API server and half do not: what lies in the middle of all is chance.
  const difference = rounds.length < 2 ? undefined : apart(rounds.map(({ byStatus }) => byStatus[201]?.p50 ?? 0));
  return {
    kind,
    rate,
    p50: mid(({ latency }) => latency.p50),
    p95: mid(({ latency }) => latency.p95),
    p99: mid(({ latency }) => latency.p99),
    max: Math.max(...rounds.map(({ latency }) => latency.max)),
    created: mid(({ byStatus }) => byStatus[201]?.p50 ?? NaN),
    known: mid(({ byStatus }) => byStatus[202]?.p50 ?? NaN),
    api: { p50: mid(({ api }) => api.p50), p99: mid(({ api }) => api.p99) },
    lateness,
    mib: Math.max(...rounds.flatMap(({ mib }) => mib)),
    throttled: mid(({ periods }) => periods.reduce((sum, { throttled, all }) => sum + throttled / (all || 1), 0) / 2),
    cpuMicros: mid(({ cpuMicros }) => cpuMicros),
    errors: refused.length,
    problems: [
      ...(refused.length > 0 ? [`answered ${[...new Set(refused)].join(', ')}`] : []),
      ...(lateness >= mostLatenessMs ? [`the generator was ${lateness.toFixed(1)} ms late`] : []),
      ...rounds
        .filter(({ objects, wanted }) => objects !== wanted)
        .map(({ objects, wanted }) => `${objects} objects for ${wanted} fingerprints`),
      ...(difference > mostDifference ? [`rounds differ by ${(difference * 100).toFixed(0)} %`] : []),
    ],
    difference,
    rounds,
  };
}

const ms = (value) => value.toFixed(1);
const columns = [
  ['two of', ({ kind }) => kind],
  ['webhooks/s', ({ rate }) => rate],
  ['p50', ({ p50 }) => ms(p50)],
  ['p95', ({ p95 }) => ms(p95)],
  ['p99', ({ p99 }) => ms(p99)],
  ['max, ms', ({ max }) => ms(max)],
  ['p50 new / known', ({ created, known }) => `${ms(created)} / ${ms(known)}`],
  ['API p50 / p99', ({ api }) => `${ms(api.p50)} / ${ms(api.p99)}`],
  ['late p99', ({ lateness }) => ms(lateness)],
  ['RSS, MiB', ({ mib }) => mib.toFixed(0)],
  ['throttled', ({ throttled }) => `${(throttled * 100).toFixed(0)} %`],
  ['CPU µs', ({ cpuMicros }) => cpuMicros.toFixed(0)],
  ['A/A', ({ difference }) => (difference === undefined ? '' : `${(difference * 100).toFixed(0)} %`)],
  ['valid', ({ problems }) => (problems.length === 0 ? 'yes' : problems.join('; '))],
];

function goalsOf({ rate, p95, p99, mib, errors }) {
  const memory = { what: `${rate}/s: RSS of each`, must: 200, aim: 165, measured: mib, unit: ' MiB' };
  const time = (what, measured, must, aim) => ({
    what: `${rate}/s: ${what}`,
    must: apiMs + must,
    ...(aim === undefined ? {} : { aim: apiMs + aim }),
    measured,
    unit: ' ms',
  });
  const none = { what: `${rate}/s: kinds of errors`, must: 0, measured: errors };
  if (rate === 1250) return [time('p95', p95, 6), time('p99', p99, 15, 8), none, memory];
  return rate === 2500 ? [time('p99', p99, 30, 15), none, memory] : [];
}

try {
  new CpuQuota(coresEach).remove();
} catch (error) {
  console.error(`no quota of processors can be set here: ${error.message}`);
  process.exit(2);
}
const runs = rates.flatMap((rate) => kinds.map((kind) => ({ kind, rate })));
const measured = [];
for (let round = 0; round < Number(values.rounds); round++)
  for (const run of shuffled(runs)) measured.push(await measure(run));
const results = runs.map((run) =>
  summary(
    run,
    measured.filter(({ kind, rate }) => kind === run.kind && rate === run.rate),
  ),
);
console.log(heading(columns.map(([title]) => title)));
for (const result of results) console.log(rowOf(columns, result));
printGoals(results.filter(({ kind }) => kind === 'gateway').flatMap(goalsOf));
writeJson(values.json, { apiMs, results });
if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
