// Posts webhooks and times the answers, in a process of its own that is told by messages what to do.
//
//   {urls, token, scenario, set, from, connections, durationMs}         as fast as the answers come: throughput
//   {… rate}                                                            open loop: as many a second, whether answers come or not
//   {… prepare}                                                         so many alerts become known, and no more is done
//
// Open loop: each webhook has a time at which it is due, and its latency counts from then. A server that stands still for a second is
// charged for everybody who would have come in that second, although the generator had to wait as well. Several servers take turns.
import { once } from 'node:events';
import { clearTimeout } from 'node:timers';
import { Connection } from './connection.mjs';
import { alert, scenarios, webhook } from './scenarios.mjs';
import { spread } from './spread.mjs';

/** Longer than any server takes that answers at all. */
const patienceMs = 120_000;

/** What was sent and how it was answered. */
class Tally {
  begin = performance.now();
  sent = 0;
  answered = 0;
  statuses = {};
  latencies = {};
  lateness = [];

  done(due, status) {
    this.answered += 1;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    (this.latencies[status] ??= []).push(performance.now() - due);
  }

  /** @param all of the connections, which end with it */
  result(all) {
    for (const { socket } of all) socket.destroy();
    return {
      sent: this.sent,
      seconds: (performance.now() - this.begin) / 1000,
      statuses: this.statuses,
      latency: spread(Object.values(this.latencies).flat()),
      byStatus: Object.fromEntries(Object.entries(this.latencies).map(([status, some]) => [status, spread(some)])),
      lateness: spread(this.lateness),
    };
  }
}

function closedLoop({ urls, token, connections, durationMs, count = Infinity }, bodyOf) {
  const tally = new Tally();
  const all = [];
  const end = tally.begin + durationMs;
  const { promise, resolve } = Promise.withResolvers();
  const next = (connection, now) => {
    if (now < end && tally.sent < count) connection.post(bodyOf(tally.sent++), now);
    else if (tally.answered === tally.sent) resolve(tally.result(all));
  };
  const open = (url) => {
    const connection = new Connection(url, token, (last, status) => {
      tally.done(last.due, status);
      next(status === 'broken' ? open(last.url) : last, performance.now());
    });
    all.push(connection);
    return connection;
  };
  for (let i = 0; i < connections; i++) next(open(urls[i % urls.length]), tally.begin);
  return promise;
}

async function openLoop({ urls, token, connections, durationMs, rate }, bodyOf) {
  const all = [];
  // Of each server: connections that are free, and what is due and has none.
  const lanes = urls.map((url) => ({ url, idle: [], waiting: [] }));
  const { promise, resolve } = Promise.withResolvers();
  const open = (lane) => {
    const connection = new Connection(lane.url, token, (last, status) => {
      tally.done(last.due, status);
      const free = status === 'broken' ? open(lane) : last;
      if (lane.waiting.length > 0) free.post(...lane.waiting.shift());
      else lane.idle.push(free);
      postDue();
    });
    all.push(connection);
    return connection;
  };
  // One after another: a server's queue of new ones is short, and who is turned away tries again after a second.
  for (let i = 0; i < connections; i++) {
    for (const lane of lanes) {
      lane.idle.push(open(lane));
      await once(all.at(-1).socket, 'connect');
    }
  }

  const tally = new Tally();
  const end = tally.begin + durationMs;
  const post = (due) => {
    const lane = lanes[tally.sent % lanes.length];
    const body = bodyOf(tally.sent++);
    tally.lateness.push(performance.now() - due);
    let free = lane.idle.pop();
    // A server closes what is not used for long.
    if (free?.socket.destroyed) free = open(lane);
    if (free === undefined) lane.waiting.push([body, due]);
    else free.post(body, due);
  };
  const dueAt = (i) => tally.begin + (i * 1000) / rate;
  // Every millisecond and at every answer, which costs less and is less late than a wake-up for each.
  const postDue = () => {
    const now = performance.now();
    for (let due = dueAt(tally.sent); due <= now && due < end; due = dueAt(tally.sent)) post(due);
    if (now >= end && tally.answered === tally.sent) resolve(tally.result(all));
  };
  const tick = () => {
    postDue();
    if (performance.now() < end + 1) setTimeout(tick, 1);
  };
  tick();
  return promise;
}

function run(order) {
  const { scenario, set, from, prepare, rate } = order;
  if (prepare !== undefined) {
    const known = (i) => webhook(Array.from({ length: 50 }, (_, k) => alert(set, i * 50 + k)));
    return closedLoop({ ...order, count: prepare / 50, connections: 8, durationMs: Infinity }, known);
  }
  const bodyOf = (i) => scenarios[scenario].body(set, from + i);
  return rate === undefined ? closedLoop(order, bodyOf) : openLoop(order, bodyOf);
}

process.on('message', async (order) => {
  const longest = (Number.isFinite(order.durationMs) ? order.durationMs : 0) + patienceMs;
  const patience = setTimeout(() => {
    throw new Error(`a webhook of ${order.scenario} is not answered`);
  }, longest);
  process.send(await run(order));
  clearTimeout(patience);
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
