/** One line of a watch. The object of an `ERROR` is a Status. */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T & { readonly code?: number };
}

/** The server ends a watch after this long. */
export const watchSeconds = 290;
/** A connection that is silent for longer than that is dead. */
export const watchSilenceMs = (watchSeconds + 30) * 1000;
/** A line is one object: etcd holds 1.5 MiB of it. */
const maxLineLength = 8 * 1024 * 1024;

/**
 * The lines of a watch, those together that arrived together. They end at a line feed alone: JSON may hold the other line
 * separators of Unicode as they are.
 */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineLength) throw new Error('the watch sent a line that never ends');
    const whole = lines.filter((line) => line !== '');
    if (whole.length > 0) yield whole;
  }
}
