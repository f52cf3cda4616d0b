/** The log: one line for each thing that happened, on standard output. `text` is for people, `structured` is one JSON
 *  object a line, `debug` is text with the process and thread. Written synchronously: the last line before the end is
 *  the one that is needed. (A logging library would bring its own transports and threads for these few lines.) */
import { writeSync } from 'node:fs';
import type { LogLevel } from '../pooler/thread-messages.js';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const satisfies readonly LogLevel[];
export const LOG_FORMATS = ['text', 'structured', 'debug'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly hasColor: boolean;
}

const COLORS: Readonly<Record<LogLevel, string>> = {
  error: '\x1b[31m',
  warn: '\x1b[33m',
  info: '\x1b[32m',
  debug: '\x1b[36m',
};
const COLOR_END = '\x1b[0m';
const STDOUT = 1;
/** What a terminal would obey. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/g;

export class Log {
  /** What is less urgent is not written. May be changed at any time. */
  level: LogLevel;
  private readonly options: LogOptions;
  private readonly write: (line: string) => void;

  constructor(options: LogOptions, write: (line: string) => void = writeLine) {
    this.options = options;
    this.level = options.level;
    this.write = write;
  }

  error(text: string): void {
    this.log('error', text);
  }

  warn(text: string): void {
    this.log('warn', text);
  }

  info(text: string): void {
    this.log('info', text);
  }

  debug(text: string): void {
    this.log('debug', text);
  }

  log(level: LogLevel, text: string): void {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(this.level)) return;
    this.write(this.line(level, text, new Date().toISOString()));
  }

  private line(level: LogLevel, text: string, time: string): string {
    const { format, hasColor } = this.options;
    if (format === 'structured')
      return JSON.stringify({ timestamp: time, level: level.toUpperCase(), message: text });
    // A line is a line: what a peer sent must not look like another entry of the log.
    const oneLine = text
      .replaceAll('\n', '\n    ')
      .replace(CONTROL, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
    const name = level.toUpperCase().padEnd(5);
    const shown = hasColor ? `${COLORS[level]}${name}${COLOR_END}` : name;
    const more = format === 'debug' ? ` [${process.pid}]` : '';
    return `${time} ${shown}${more} ${oneLine}`;
  }
}

function writeLine(line: string): void {
  try {
    writeSync(STDOUT, `${line}\n`);
  } catch (error) {
    // A full pipe or a reader that has gone must not end a pooler.
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}
