import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

/** One line of a watch. The object of an `ERROR` is a Status. */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T & { readonly code?: number };
}

/** The server ends a watch after this long. */
export const watchSeconds = 290;
/** A connection that is silent for longer than that is dead. */
export const watchSilenceMs = (watchSeconds + 30) * 1000;
/** A line is one object: etcd holds 1.5 MiB of it. Bytes. */
const maxLineLength = 8 * 1024 * 1024;
const lineFeed = 0x0a;

/**
 * Cuts the lines of a watch, those together that arrived together. They end at a line feed alone: JSON may hold the other line
 * separators of Unicode as they are.
 *
 * They are cut as bytes, for a decoder that takes characters in pieces makes texts of two bytes a character.
 */
class LineCutter {
  private rest: Buffer = Buffer.alloc(0);

  /** The lines that end in this chunk. */
  cut(chunk: Buffer): string[] {
    const { rest } = this;
    const end = chunk.lastIndexOf(lineFeed);
    if (end === -1) {
      this.rest = Buffer.concat([rest, chunk]);
      if (this.rest.length > maxLineLength) throw new Error('the watch sent a line that never ends');
      return [];
    }
    const whole = chunk.subarray(0, end);
    const text = (rest.length === 0 ? whole : Buffer.concat([rest, whole])).toString('utf8');
    this.rest = chunk.subarray(end + 1);
    return text.split('\n').filter((line) => line !== '');
  }
}

/** The lines of a watch, as fast as they are asked for. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string[]> {
  const cutter = new LineCutter();
  for await (const chunk of stream) {
    const lines = cutter.cut(chunk);
    if (lines.length > 0) yield lines;
  }
}

/** Hands over the lines of a watch as they arrive, until it ends; what `take` throws ends it as well. Without a promise and an event for each chunk. */
export async function takeLines(stream: Readable, take: (lines: readonly string[]) => void): Promise<void> {
  const cutter = new LineCutter();
  const cut = (chunk: Buffer) => {
    try {
      const lines = cutter.cut(chunk);
      if (lines.length > 0) take(lines);
    } catch (error) {
      // What has arrived already would still be told.
      stream.off('data', cut).destroy(error as Error);
    }
  };
  stream.on('data', cut);
  await finished(stream);
}
