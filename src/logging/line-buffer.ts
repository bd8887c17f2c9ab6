import { isAscii } from 'node:buffer';
import { mkdirSync, openSync, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DestinationStream } from 'pino';
import { withEscapes } from './log-line';

/** Characters that are written together, and how long a line waits for others. To write each line costs more than to make it. */
const maxLength = 32 * 1024;
const waitMs = 50;
/** Of lines that nobody takes: further ones are dropped. Characters. */
const maxWaiting = 4 * 1024 * 1024;
/** Before it is tried again to write to who takes nothing more now. */
const againMs = 100;
/** At the end of the process, which waits for that. */
const maxAttemptsAtEnd = 20;
const maxFlushMs = 2_000;
const deleteCharacter = 0x7f;

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
 */
export class LineBuffer implements DestinationStream {
  private readonly file: number;
  private lines: string[] = [];
  private length = 0;
  private timer: NodeJS.Timeout | undefined;
  /** What is being written. */
  private rest: Buffer = Buffer.alloc(0);
  private flushed: (() => void)[] = [];
  /** Whether lines are lost, since something was written. */
  private losing = false;

  /**
   * @param dest number of an open file, or the path of one, whose directory is made
   * @throws when it cannot be opened
   */
  constructor(dest: number | string) {
    if (typeof dest === 'string') mkdirSync(dirname(dest), { recursive: true });
    this.file = typeof dest === 'string' ? openSync(dest, 'a') : dest;
    open.add(this);
  }

  write(line: string): void {
    if (this.length + line.length > maxWaiting) {
      this.lost(new Error('nobody takes what is written'));
      return;
    }
    this.lines.push(line);
    this.length += line.length;
    if (this.length >= maxLength) this.pass();
    else this.timer ??= setTimeout(this.pass, waitMs).unref();
  }

  /** Calls back when all lines so far are written, or lost; after two seconds though nobody takes them. */
  flush(done: (error?: Error) => void): void {
    const callBack = () => {
      clearTimeout(late);
      this.flushed = this.flushed.filter((other) => other !== callBack);
      done();
    };
    const late = setTimeout(callBack, maxFlushMs);
    this.flushed.push(callBack);
    this.pass();
  }

  /** Writes what is left, before the process ends. What is being written just then may stand there twice. */
  end(): void {
    open.delete(this);
    let left = Buffer.concat([this.rest, this.take()]);
    for (let attempt = 0; left.length > 0 && attempt < maxAttemptsAtEnd;) {
      try {
        left = left.subarray(writeSync(this.file, left));
      } catch (error) {
        if (!takesNothingNow(error)) return;
        attempt++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, againMs);
      }
    }
  }

  private readonly pass = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    // What comes meanwhile waits for its end.
    if (this.rest.length > 0) return;
    this.rest = this.take();
    if (this.rest.length > 0) this.writeRest();
    else for (const callBack of this.flushed) callBack();
  };

  private take(): Buffer {
    const text = this.lines.join('');
    this.lines = [];
    this.length = 0;
    const bytes = Buffer.from(text);
    // Control characters beyond those that JSON escapes are rare, and looked for where that costs least.
    return isAscii(bytes) && !bytes.includes(deleteCharacter) ? bytes : Buffer.from(withEscapes(text));
  }

  private readonly writeRest = (): void => {
    write(this.file, this.rest, (error, written) => {
      if (error !== null && takesNothingNow(error)) {
        setTimeout(this.writeRest, againMs);
        return;
      }
      if (error === null) this.losing = false;
      else this.lost(error);
      this.rest = error === null ? this.rest.subarray(written) : Buffer.alloc(0);
      if (this.rest.length > 0) this.writeRest();
      else this.pass();
    });
  };

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

/** A pipe that is full, as when its reader stands still. */
function takesNothingNow(error: unknown): boolean {
  return ['EAGAIN', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '');
}
