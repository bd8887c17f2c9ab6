import pino, { type DestinationStream } from 'pino';

/** Characters that are written together, and how long a line waits for others. To write each line costs more than to make it. */
const maxLength = 32 * 1024;
const waitMs = 50;

/** What is open when the process ends is written then. */
const open = new Set<LineBuffer>();
process.once('exit', () => {
  for (const buffer of open) buffer.end();
});

/**
 * Writes lines together, without holding up who logs them.
 *
 * The stream below could do that too, but measures all that waits anew for each line: a copy of 16 KiB on average.
 */
export class LineBuffer implements DestinationStream {
  private readonly stream: ReturnType<typeof pino.destination>;
  private lines: string[] = [];
  private length = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param dest number of an open file, or the path of one, whose directory is made */
  constructor(dest: number | string) {
    this.stream = pino.destination({ dest, mkdir: true, sync: false, minLength: 1 });
    open.add(this);
  }

  write(line: string): void {
    this.lines.push(line);
    this.length += line.length;
    if (this.length >= maxLength) this.pass();
    else this.timer ??= setTimeout(this.pass, waitMs).unref();
  }

  /** Calls back when all lines so far are written. */
  flush(done: (error?: Error | null) => void): void {
    this.pass();
    this.stream.flush(done);
  }

  /** Writes what is left, before the process ends. */
  end(): void {
    try {
      this.pass();
      this.stream.flushSync();
    } catch {
      // Its file could not be opened yet, or is closed already: nobody is left to be told.
    }
  }

  private readonly pass = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.lines.length === 0) return;
    this.stream.write(this.lines.join(''));
    this.lines = [];
    this.length = 0;
  };
}
