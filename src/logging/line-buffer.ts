import { isAscii } from 'node:buffer';
import { constants, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DestinationStream } from 'pino';
import { withEscapes } from './log-line';

/** Characters that are written together, and how long a line waits for others. To write each line costs more than to make it. */
const maxLength = 32 * 1024;
const waitMs = 50;
/** Of lines that nobody takes: further ones are dropped. Characters. */
const maxWaiting = 4 * 1024 * 1024;
/** Before it is tried again to write to who takes nothing more now; twice as long each time. */
const firstPauseMs = 2;
const maxPauseMs = 100;
/** How long the end of the process waits for who takes nothing. */
const maxEndMs = 2_000;
const deleteCharacter = 0x7f;
const lineFeed = 0x0a;

/** What is open when the process ends is written then. */
const open = new Set<LineBuffer>();
process.once('exit', () => {
  for (const buffer of open) buffer.end();
});

/**
 * Writes lines together, without holding up who logs them.
 *
 * By hand: the stream that pino brings measures all that waits anew for each line, which copies 16 KiB on average; where a disk is full it ends
 * the process, and at the end it tries for ever. A log that cannot be written is lost, and alerts go on.
 *
 * Writing to a pipe never blocks, whoever stands still at its other end: what it does not take now it is given later. So all is written here, in
 * order, and it is known how much.
 */
export class LineBuffer implements DestinationStream {
  private readonly file: number;
  private lines: string[] = [];
  private length = 0;
  private timer: NodeJS.Timeout | undefined;
  /** What was not taken yet. */
  private rest: Buffer = Buffer.alloc(0);
  private pauseMs = firstPauseMs;
  private flushed: (() => void)[] = [];
  /** Whether lines are lost, since something was written. */
  private losing = false;
  /** Whether what was written ends within a line, the rest of which is lost. */
  private isTorn = false;

  /**
   * @param dest number of an open file, or the path of one, whose directory is made
   * @throws when it cannot be opened
   */
  constructor(dest: number | string) {
    this.file = typeof dest === 'string' ? opened(dest) : neverBlocking(dest);
    open.add(this);
  }

  write(line: string): void {
    if (this.length + this.rest.length + line.length > maxWaiting) {
      this.lost(new Error('nobody takes what is written'));
      return;
    }
    this.lines.push(line);
    this.length += line.length;
    if (this.length >= maxLength && this.rest.length === 0) this.pass();
    else this.timer ??= setTimeout(this.pass, waitMs).unref();
  }

  /** Calls back when all lines so far are written, or lost; after two seconds though nobody takes them. */
  flush(done: (error?: Error) => void): void {
    const callBack = () => {
      clearTimeout(late);
      this.flushed = this.flushed.filter((other) => other !== callBack);
      done();
    };
    const late = setTimeout(callBack, maxEndMs);
    this.flushed.push(callBack);
    this.pass();
  }

  /** Writes what is left, before the process ends. */
  end(): void {
    open.delete(this);
    const due = performance.now() + maxEndMs;
    for (let pauseMs = firstPauseMs; this.writeAll() === 'later'; pauseMs *= 2) {
      if (performance.now() >= due) {
        this.lost(new Error('nobody takes what is written'));
        return;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(pauseMs, maxPauseMs));
    }
  }

  private readonly pass = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writeAll() === 'done') {
      this.pauseMs = firstPauseMs;
      for (const callBack of this.flushed) callBack();
      return;
    }
    this.timer = setTimeout(this.pass, this.pauseMs).unref();
    this.pauseMs = Math.min(2 * this.pauseMs, maxPauseMs);
  };

  private writeAll(): 'done' | 'later' {
    for (;;) {
      if (this.rest.length === 0) this.rest = this.take();
      if (this.rest.length === 0) return 'done';
      try {
        const written = writeSync(this.file, this.rest);
        this.isTorn = this.rest[written - 1] !== lineFeed;
        this.rest = this.rest.subarray(written);
        this.losing = false;
      } catch (error) {
        if (takesNothingNow(error)) return 'later';
        this.rest = Buffer.alloc(0);
        this.lost(error as Error);
      }
    }
  }

  private take(): Buffer {
    if (this.lines.length === 0) return this.rest;
    const isAfterLoss = this.losing && this.isTorn;
    const text = (isAfterLoss ? '\n' : '') + this.lines.join('');
    this.lines = [];
    this.length = 0;
    const bytes = Buffer.from(text);
    // Control characters beyond those that JSON escapes are rare, and looked for where that costs least.
    return isAscii(bytes) && !bytes.includes(deleteCharacter) ? bytes : Buffer.from(withEscapes(text));
  }

  /** Told once, where people may see it, until lines are written again. */
  private lost(error: Error): void {
    if (this.losing) return;
    this.losing = true;
    try {
      writeSync(2, `kubernaut-gateway: lines of the log are lost: ${error.message}\n`);
    } catch {
      // Nobody is left to be told.
    }
  }
}

/** A pipe may have a path as well: it never blocks either, and one that nobody reads is an error. */
function opened(path: string): number {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
  try {
    return openSync(path, flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path.startsWith('/proc/')) throw error;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, flags);
  }
}

/** Node.js makes a pipe or a socket non-blocking when it opens the stream of it, which it does when that is asked for. */
function neverBlocking(file: number): number {
  const stream = { 1: process.stdout, 2: process.stderr }[file];
  // A broken pipe is told where it is written to.
  stream?.on('error', () => undefined);
  return file;
}

function takesNothingNow(error: unknown): boolean {
  return ['EAGAIN', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '');
}
