// Posts webhooks and times the answers, in a process of its own that is told by messages what to do.
//
//   {url, token, scenario, set, from, connections, durationMs}         as fast as the answers come: throughput
//   {… rate}                                                           open loop: as many a second, whether answers come or not
//
// Open loop: each webhook has a time at which it is due, and its latency counts from then. A server that stands still for a second is
// charged for everybody who would have come in that second, although the generator had to wait as well.
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { URL } from 'node:url';
import { alert, scenarios, webhook } from './scenarios.mjs';

/** A kept connection, one webhook at a time, by hand: an HTTP client would cost more than the server that it measures. */
class Sender {
  socket;
  parts = [];
  received = 0;
  expected = -1;

  constructor(url, onDone) {
    const { hostname, port } = new URL(url);
    this.onDone = onDone;
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.socket.on('data', (chunk) => this.read(chunk));
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => this.finish('broken'));
  }

  post(head, body, due) {
    this.due = due;
    this.busy = true;
    this.socket.write(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  read(chunk) {
    this.parts.push(chunk);
    this.received += chunk.length;
    if (this.expected === -1) {
      const text = Buffer.concat(this.parts).toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.status = text.slice(9, 12);
      this.expected = end + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(text)[1]);
    }
    if (this.received >= this.expected) this.finish(this.status);
  }

  finish(status) {
    this.parts = [];
    this.received = 0;
    this.expected = -1;
    if (!this.busy) return;
    this.busy = false;
    this.onDone(this, status);
  }
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
const spread = (values) => {
  const sorted = Float64Array.from(values).sort();
  return {
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: percentile(sorted, 1),
  };
};

function run({ url, token, scenario, set, from, connections, durationMs, count = Infinity, rate, prepare }) {
  const { body } = scenarios[scenario];
  const { host } = new URL(url);
  const head = `POST /api/v1/signals/prometheus HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: `;
  const bodyOf = prepare ?? body;
  const { promise, resolve } = Promise.withResolvers();
  const statuses = {};
  const latencies = [];
  const lateness = [];
  const senders = [];
  const idle = [];
  const waiting = [];
  const begin = performance.now();
  const end = begin + durationMs;
  let sent = 0;
  let answered = 0;
  let over = false;

  const done = (last, status) => {
    const now = performance.now();
    answered += 1;
    statuses[status] = (statuses[status] ?? 0) + 1;
    latencies.push(now - last.due);
    const sender = status === 'broken' ? open() : last;
    if (rate === undefined) next(sender, now);
    else if (waiting.length > 0) sender.post(head, ...waiting.shift());
    else idle.push(sender);
    if (over && answered === sent) finish();
  };
  const next = (sender, now) => {
    if (now >= end || sent >= count) over = true;
    else sender.post(head, bodyOf(set, from + sent++), now);
  };
  const finish = () => {
    const seconds = (performance.now() - begin) / 1000;
    for (const { socket } of senders) socket.destroy();
    resolve({ sent, seconds, statuses, latency: spread(latencies), lateness: spread(lateness) });
  };
  const open = () => {
    const sender = new Sender(url, done);
    senders.push(sender);
    return sender;
  };

  if (rate === undefined) {
    for (let i = 0; i < connections; i++) next(open(), begin);
    if (sent === 0) finish();
    return promise;
  }
  for (let i = 0; i < connections; i++) idle.push(open());
  const tick = () => {
    const now = performance.now();
    for (let due = begin + (sent * 1000) / rate; due <= now && due < end; due = begin + (sent * 1000) / rate) {
      lateness.push(now - due);
      const post = [bodyOf(set, from + sent++), due];
      const sender = idle.pop() ?? (senders.length < 2_000 ? open() : undefined);
      if (sender === undefined) waiting.push(post);
      else sender.post(head, ...post);
    }
    if (now < end) setTimeout(tick, 1);
    else {
      over = true;
      if (answered === sent) finish();
    }
  };
  tick();
  return promise;
}

process.on('message', async (order) => {
  if (order.prepare === undefined) process.send(await run(order));
  else {
    const prepare = (set, i) => webhook(Array.from({ length: 50 }, (_, k) => alert(set, i * 50 + k)));
    process.send(
      await run({ ...order, prepare, from: 0, count: order.prepare / 50, connections: 8, durationMs: Infinity }),
    );
  }
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
