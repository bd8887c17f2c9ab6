// Whether a gateway stays as it is under load that goes on:
//
//   npm run soak [-- --minutes 30] [--rate 500] [--json FILE]
//
// Webhooks come at a fixed rate (scenario `mixed`: new, known and resolved alerts, some of them 50 at once). Memory can only be flat when
// the number of objects is: the API server completes and deletes each after 30 s, as they are where somebody remediates, and tells watches.
//
// Flat is what has not grown from the second fifth of the time to the last one, medians: memory by no more than 10 %, descriptors and
// handles by no more than 5. In less than 5 minutes a gateway warms up, and nothing is said of that.
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Processes, cores } from './processes.mjs';
import { heading, row, rowOf, writeJson } from './report.mjs';
import { scenarios } from './scenarios.mjs';
import { median } from './spread.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '500' },
    json: { type: 'string' },
  },
});
const durationMs = Number(values.minutes) * 60_000;
const shortestMs = 5 * 60_000;
const warmMs = Math.min(5_000, durationMs / 3);
const lifeMs = Math.min(30_000, durationMs / 3);
const sampleMs = Math.min(5_000, durationMs / 25);
const apiMs = 8;
const scenario = 'mixed';
/** What must not grow, and how it is judged. */
const watched = [
  { what: 'rss', title: 'RSS, MiB', share: 0.1 },
  { what: 'heap', title: 'heap, MiB', share: 0.1 },
  { what: 'descriptors', title: 'descriptors', most: 5 },
  { what: 'handles', title: 'handles', most: 5 },
];

const processes = new Processes();
try {
  const redisPort = await processes.redis(cores.others);
  const api = await processes.fork('./api-server.mjs', [String(apiMs), String(lifeMs)], cores.others);
  const gateway = await processes.gateway({ api: api.first.url, redisPort, core: cores.measured });
  const generator = await processes.punctualGenerator(cores.others);
  const common = { urls: [gateway.url], token: gateway.token, scenario, set: 0 };
  // One that has just started is slow, and the rate would not wait for it.
  const warm = await generator.ask({ ...common, from: 0, connections: 8, durationMs: warmMs });
  const begin = performance.now();
  const samples = [];
  const sample = async () => {
    const { rss, heapUsed, handles, cpuMicros, loopMs } = await gateway.ask('probe');
    const { objects } = await api.ask();
    samples.push({
      seconds: (performance.now() - begin) / 1000,
      rss: rss / 2 ** 20,
      heap: heapUsed / 2 ** 20,
      descriptors: readdirSync(`/proc/${gateway.pid}/fd`).length,
      handles,
      cpuMicros,
      loopMs,
      objects,
    });
  };
  const load = { ...common, from: warm.sent, connections: 64, durationMs, rate: Number(values.rate) };
  const posted = generator.ask(load);
  while (performance.now() - begin < durationMs - sampleMs / 2) {
    await pause(sampleMs);
    await sample();
  }
  report(samples, warm.sent, await posted, await api.ask());
} finally {
  await processes.end();
}

function report(samples, before, { sent, statuses, latency }, { creates, deleted }) {
  const size = Math.ceil(samples.length / 5);
  const fifths = Array.from({ length: 5 }, (_, i) => samples.slice(i * size, (i + 1) * size)).filter(
    (some) => some.length > 0,
  );
  const middle = (some, what) => median(some.map((one) => one[what]));
  const columns = [
    ['until, minutes', (some) => (some.at(-1).seconds / 60).toFixed(1)],
    ...watched.map(({ what, title }) => [title, (some) => middle(some, what).toFixed(0)]),
    ['live objects', (some) => middle(some, 'objects')],
  ];
  console.log(heading(columns.map(([title]) => title)));
  for (const some of fifths) console.log(rowOf(columns, some));

  const wanted = scenarios[scenario].distinct(before + sent);
  const answers = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
  console.log(
    `\n${sent} webhooks: ${answers.join(', ')}; p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`,
  );
  console.log(`${creates} objects for ${wanted} fingerprints, ${deleted} of them completed and deleted\n`);

  const verdicts = watched.map(({ what, title, share, most }) => {
    const [early, late] = [middle(fifths[1], what), middle(fifths.at(-1), what)];
    const bound = share === undefined ? early + most : early * (1 + share);
    return { what, title, early, late, bound, flat: late <= bound };
  });
  console.log(heading(['', 'second fifth', 'last fifth', 'at the most', 'flat']));
  for (const { title, early, late, bound, flat } of verdicts)
    console.log(row([title, early.toFixed(0), late.toFixed(0), bound.toFixed(0), flat ? 'yes' : 'no']));
  const isLong = durationMs >= shortestMs;
  if (!isLong) console.log('\nToo short to be judged.');
  const exact = { wanted, creates, deleted };
  writeJson(values.json, { rate: Number(values.rate), lifeMs, sent, statuses, latency, exact, verdicts, samples });
  const refused = Object.keys(statuses).some((status) => !/^20[012]$/.test(status));
  if (refused || wanted !== creates || (isLong && verdicts.some(({ flat }) => !flat))) process.exitCode = 1;
}
