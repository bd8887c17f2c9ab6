/** The part of a pino logger that the stations of a signal write to. */
export interface LogSink {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Of who tells by other means. */
export const silentLog: LogSink = { debug: nothing, info: nothing, warn: nothing, error: nothing };

function nothing(): void {
  // Nobody reads it.
}

/** Where the modules get the log. */
export const LOG = Symbol('LogSink');
