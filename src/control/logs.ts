/** The log: one line for each thing that happened. (A logging library would bring its own transports and threads for
 *  these few lines, and waits for a reader that is slow.) How a line looks: log-line.ts; where it goes: log-output.ts. */
import { isLogged, type LogFields } from '../pooler/log-fields.js';
import type { LogLevel } from '../pooler/thread-messages.js';
import { LOG_FORMATS, type LogFormat, lineOf } from './log-line.js';
import { LogOutput } from './log-output.js';
import { StandardOutput } from './standard-output.js';
import type { Syslog } from './syslog.js';

export { LOG_FORMATS, type LogFormat };
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const satisfies readonly LogLevel[];

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly hasColor: boolean;
  /** Absent: standard output. */
  readonly syslog?: Syslog;
}

const NOTHING: LogFields = {};

export class Log {
  /** Called after each change of the level. */
  onLevel: (level: LogLevel) => void = () => undefined;
  /** Gets each line as well, for a while: what a daemon says at its start is said on the terminal, too. */
  echo: ((line: string, level: LogLevel) => void) | null = null;
  private readonly options: LogOptions;
  private readonly output: LogOutput;
  private readonly write: (line: string, level: LogLevel) => void;
  private wanted: LogLevel;

  constructor(options: LogOptions, write?: (line: string, level: LogLevel) => void) {
    this.options = options;
    this.wanted = options.level;
    const target = options.syslog ?? new StandardOutput();
    this.output = new LogOutput(target, (count) => this.lossLine(count));
    this.write = write ?? ((line, level) => this.output.write(line, level));
  }

  get level(): LogLevel {
    return this.wanted;
  }

  /** From now on, in all threads. */
  setLevel(level: LogLevel): void {
    this.wanted = level;
    this.onLevel(level);
  }

  error(text: string, fields?: LogFields): void {
    this.log('error', text, fields);
  }

  warn(text: string, fields?: LogFields): void {
    this.log('warn', text, fields);
  }

  info(text: string, fields?: LogFields): void {
    this.log('info', text, fields);
  }

  debug(text: string, fields?: LogFields): void {
    this.log('debug', text, fields);
  }

  /** worker: who says it, null for the main thread. */
  log(level: LogLevel, text: string, fields = NOTHING, worker: number | null = null): void {
    if (!isLogged(level, this.wanted)) return;
    const line = this.line(level, text, fields, worker);
    this.write(line, level);
    this.echo?.(line, level);
  }

  /** The process ends: what waits is written, as far as that is possible in half a second. */
  flush(): void {
    this.output.flush();
  }

  private line(level: LogLevel, text: string, fields: LogFields, worker: number | null): string {
    const { format, hasColor, syslog } = this.options;
    const entry = { time: new Date(), level, text, fields, worker };
    return lineOf(entry, { format, hasColor, isForSyslog: syslog !== undefined });
  }

  private lossLine(count: number): string {
    return this.line('warn', `${count} lines of the log were lost: they could not be written`, NOTHING, null);
  }
}
