/** The part of a pino logger that the stations of a signal write to. */
export interface LogSink {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Where the modules get the log. */
export const LOG = Symbol('LogSink');
