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
 * The lines of a watch, those together that arrived together. They end at a line feed alone: JSON may hold the other line
 * separators of Unicode as they are.
 *
 * Cut as bytes, for a decoder that takes characters in pieces makes texts of two bytes a character.
 */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    const end = chunk.lastIndexOf(lineFeed);
    if (end === -1) {
      rest = Buffer.concat([rest, chunk]);
      if (rest.length > maxLineLength) throw new Error('the watch sent a line that never ends');
      continue;
    }
    const whole = chunk.subarray(0, end);
    const text = (rest.length === 0 ? whole : Buffer.concat([rest, whole])).toString('utf8');
    rest = chunk.subarray(end + 1);
    const lines = text.split('\n').filter((line) => line !== '');
    if (lines.length > 0) yield lines;
  }
}
