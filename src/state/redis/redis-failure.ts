/** What Redis says of a command that it refuses a script, in the words of several versions. */
const refusedToScript = /-(?!WRONGTYPE)[A-Z]+ |can't (?:run|access)|ACL failure/;

/** What is known of a connection that was closed without a word. */
export const lost = 'connection lost';

/** By the code of a socket error, or the first word of Redis's own answer. */
const reasons: Readonly<Record<string, string>> = {
  CLUSTERDOWN: 'the cluster is incomplete',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'host not found',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'connecting timed out',
  LOADING: 'still loading its data',
  MISCONF: 'cannot write to its disk',
  NOAUTH: 'a password is required',
  NOPERM: 'not permitted by its access control list',
  OOM: 'out of memory',
  READONLY: 'is a read-only replica',
  WRONGPASS: 'wrong username or password',
};

/**
 * Why Redis does not serve us, short and safe to log: codes only, never Redis's own sentences, which can quote what was
 * sent to it.
 */
export function reasonOf(error: NodeJS.ErrnoException): string {
  if (isTimeout(error)) return 'no answer in time';
  if (error.message.includes('DB index')) return 'no such database';
  if (error.message.includes('max number of clients')) return 'has as many clients as it takes';
  const code = error.code ?? /^[A-Z]+(?= )/.exec(error.message)?.[0];
  return code === undefined ? lost : (reasons[code] ?? code);
}

/** Whether a command got no answer within the command timeout; the client library says so in this sentence alone. */
export function isTimeout(error: Error): boolean {
  return error.message === 'Command timed out';
}

/**
 * Where a script of ours failed, by its own doing: Redis itself is well. What Redis refuses a script (no memory, read-only) is told in the
 * same words, with the code of the refusal in it.
 */
export function scriptFaultOf({ message }: Error): string | undefined {
  if (!/^(?:ERR|WRONGTYPE) /.test(message) || refusedToScript.test(message)) return undefined;
  return /user_script:(\d+)/.exec(message)?.[1];
}

/** Whether Redis does not have a script that was named by its digest: it was told to forget it. */
export function isUnknownScript(error: Error): boolean {
  return error.message.startsWith('NOSCRIPT');
}

/**
 * The error without the command that the client library hangs on it: its arguments can hold the password, and loggers
 * print the properties of errors.
 */
export function withoutCommand(error: Error): Error {
  Reflect.deleteProperty(error, 'command');
  return error;
}
