import type { LogSink } from '../../src/logging/log-sink';

export interface LoggedLine {
  readonly level: keyof LogSink;
  readonly fields: object;
  readonly message: string;
}

/** Keeps what is logged, for a spec to look at. */
export class RecordingLog implements LogSink {
  readonly lines: LoggedLine[] = [];

  debug(fields: object, message: string): void {
    this.lines.push({ level: 'debug', fields, message });
  }

  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }

  /** The messages, in order. */
  get messages(): string[] {
    return this.lines.map(({ message }) => message);
  }
}
