// A kept connection, one webhook at a time, by hand: an HTTP client would cost more than the server that it measures.
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { URL } from 'node:url';

/** What was read is done with when the next of them reads. */
const shared = Buffer.allocUnsafeSlow(65_536);

export class Connection {
  head = '';
  received = 0;
  expected = -1;
  busy = false;

  /** @param onDone is given the connection and the status of the answer, or `broken` */
  constructor(url, token, onDone) {
    const { host, hostname, port } = new URL(url);
    this.url = url;
    this.onDone = onDone;
    const headers = [`host: ${host}`, `authorization: Bearer ${token}`, 'content-type: application/json'];
    this.preamble = ['POST /api/v1/signals/prometheus HTTP/1.1', ...headers, 'content-length: '].join('\r\n');
    const onread = { buffer: shared, callback: (length) => this.read(length) };
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => this.finish('broken'));
  }

  /** @param body ASCII */
  post(body, due) {
    this.due = due;
    this.busy = true;
    // It may have been closed while nothing was under way.
    if (this.socket.destroyed) process.nextTick(() => this.finish('broken'));
    else this.socket.write(`${this.preamble}${body.length}\r\n\r\n${body}`, 'latin1');
  }

  read(length) {
    this.received += length;
    if (this.expected === -1) {
      this.head += shared.latin1Slice(0, Math.min(length, 4096));
      const end = this.head.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.status = this.head.slice(9, 12);
      this.expected = end + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(this.head)?.[1] ?? 0);
    }
    if (this.received >= this.expected) this.finish(this.status);
  }

  finish(status) {
    this.head = '';
    this.received = 0;
    this.expected = -1;
    if (!this.busy) return;
    this.busy = false;
    this.onDone(this, status);
  }
}
