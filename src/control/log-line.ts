/** How a line of the log looks. `text` is for people: what happened, and in brackets whom it is about. `structured` is
 *  one JSON object a line. `debug` is text with the process and the thread. */
import type { LogFields } from '../pooler/log-fields.js';
import type { LogLevel } from '../pooler/thread-messages.js';

export const LOG_FORMATS = ['text', 'structured', 'debug'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface LogEntry {
  readonly time: Date;
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: LogFields;
  /** The worker that says it, null for the main thread. */
  readonly worker: number | null;
}

export interface LineStyle {
  readonly format: LogFormat;
  readonly hasColor: boolean;
  /** syslog has time, level and process by itself, and a line of it is one line. */
  readonly isForSyslog: boolean;
}

const COLORS: Readonly<Record<LogLevel, string>> = {
  error: '\x1b[31m',
  warn: '\x1b[33m',
  info: '\x1b[32m',
  debug: '\x1b[36m',
};
const COLOR_END = '\x1b[0m';
/** What a terminal would obey, and what would begin another line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/g;
const NEEDS_QUOTES = /^$|[\s"'=[\]\\]/;

/** The line, without its end. */
export function lineOf(entry: LogEntry, style: LineStyle): string {
  return style.format === 'structured' ? structured(entry) : text(entry, style);
}

function structured({ time, level, text, fields }: LogEntry): string {
  return JSON.stringify({
    timestamp: time.toISOString(),
    level: level.toUpperCase(),
    message: text,
    ...fields,
  });
}

function text(entry: LogEntry, { format, hasColor, isForSyslog }: LineStyle): string {
  const { time, level, worker } = entry;
  // A line is a line: what a peer sent must not look like another entry of the log.
  const message = `${entry.text}${named(entry.fields)}`.replaceAll('\n', isForSyslog ? ' ' : '\n    ');
  const shown = message.replace(CONTROL, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  const thread = worker === null ? 'main' : `worker ${worker}`;
  const more = format === 'debug' ? `[${process.pid} ${thread}] ` : '';
  if (isForSyslog) return more + shown;
  const name = level.toUpperCase().padEnd(5);
  const colored = hasColor ? `${COLORS[level]}${name}${COLOR_END}` : name;
  return `${time.toISOString()} ${colored} ${more}${shown}`;
}

/** ` [name=value …]` */
function named(fields: LogFields): string {
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${quoted(String(value))}`);
  return pairs.length === 0 ? '' : ` [${pairs.join(' ')}]`;
}

function quoted(value: string): string {
  return NEEDS_QUOTES.test(value) ? JSON.stringify(value) : value;
}
