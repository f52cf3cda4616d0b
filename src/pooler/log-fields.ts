/** What a log line is about, beside its text, and which lines are wanted. */
import type { LogLevel } from './thread-messages.js';

/** The names are those of the structured format and of `name=value` in the text format; they come out in the order in
 *  which they were put in. */
export interface LogFields {
  readonly client_id?: number;
  readonly server_id?: number;
  /** PostgreSQL's process. */
  readonly server_pid?: number;
  readonly user?: string;
  readonly database?: string;
  /** Host and port of the peer, or `unix`. */
  readonly address?: string;
  readonly application_name?: string;
  /** The version of TLS. */
  readonly tls?: string;
  /** How a client has proved who it is, when it was not the ordinary way. */
  readonly method?: string;
  /** The rule of hba or pg_hba that has decided. */
  readonly rule?: string;
  readonly sqlstate?: string;
  readonly reason?: string;
  readonly queries?: number;
  readonly transactions?: number;
  readonly errors?: number;
  /** How long whatever has ended has lasted. */
  readonly duration_ms?: number;
  /** Of a worker. */
  readonly clients?: number;
  readonly servers?: number;
  readonly requests_per_second?: number;
}

const RANKS: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

/** Whether a line of this level is wanted by a log of that one. */
export function isLogged(level: LogLevel, wanted: LogLevel): boolean {
  return RANKS[level] <= RANKS[wanted];
}
