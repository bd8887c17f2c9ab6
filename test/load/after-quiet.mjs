// What the first known alerts cost after a time without any, which is when an outage begins:
//
//   npm run bench:after-quiet [-- --quiet SECONDS] [--warm-up N] [--json FILE]
//
// The floor (floor.mjs) with V8 as it is, the floor, and the gateway: each is warmed up, then nobody asks them anything, then each is posted to
// in turn, on a core that it has for itself. The ratio is that to the same process before.
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Processes, cores, cpuSeconds } from './processes.mjs';
import { heading, row, writeJson } from './report.mjs';
import { scenarios } from './scenarios.mjs';

const { values } = parseArgs({
  options: {
    quiet: { type: 'string', default: '60' },
    'warm-up': { type: 'string', default: '20' },
    json: { type: 'string' },
  },
});
const scenario = 'duplicates';
const connections = 32;
const sliceMs = 400;
const slices = 5;

const processes = new Processes();
try {
  const generator = await processes.fork('./generator.mjs', [], cores.others);
  const targets = [];
  const add = async (what, start) => {
    const redisPort = await processes.redis(cores.others);
    const api = await processes.fork('./api-server.mjs', [], cores.others);
    const server = await start({ api: api.first.url, redisPort, core: cores.measured });
    targets.push({ what, ...server, set: targets.length, from: 0 });
  };
  await add('floor, V8 as it is', (neighbours) => processes.floor(neighbours, { V8_AS_IT_IS: 'yes' }));
  await add('floor', (neighbours) => processes.floor(neighbours));
  await add('gateway', (neighbours) => processes.gateway(neighbours));

  /** CPU of one alert in this time, µs. */
  const post = async (target, durationMs) => {
    const before = cpuSeconds(target.pid);
    const { url, token, set, from } = target;
    const { sent } = await generator.ask({ urls: [url], token, set, from, scenario, connections, durationMs });
    target.from += sent;
    return ((cpuSeconds(target.pid) - before) / sent) * 1e6;
  };
  for (const target of targets) {
    const { url, token, set } = target;
    const { prepare } = scenarios[scenario];
    await generator.ask({ urls: [url], token, set, from: 0, scenario, connections, durationMs: sliceMs, prepare });
    await post(target, Number(values['warm-up']) * 1000);
    target.before = await post(target, slices * sliceMs);
  }
  await pause(Number(values.quiet) * 1000);
  for (const target of targets) {
    target.after = [];
    for (let i = 0; i < slices; i++) target.after.push(await post(target, sliceMs));
  }

  const titles = targets[0].after.map((_, i) => `${((i + 1) * sliceMs) / 1000} s`);
  console.log(heading([`after ${values.quiet} s of quiet`, 'before, µs of CPU', ...titles, 'first second by before']));
  const results = targets.map(({ what, before, after }) => ({
    what,
    before,
    after,
    ratio: (after[0] + after[1]) / 2 / before,
  }));
  for (const { what, before, after, ratio } of results)
    console.log(row([what, before.toFixed(0), ...after.map((micros) => micros.toFixed(0)), ratio.toFixed(1)]));
  writeJson(values.json, { quiet: Number(values.quiet), results });
} finally {
  await processes.end();
}
