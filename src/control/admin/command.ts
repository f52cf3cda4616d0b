/** What a console command is: its words, its columns, and where its rows come from. */
import type { Configuration } from '../../config/load.js';
import type { PoolSettings } from '../../pooler/settings.js';
import type { LogLevel, StatementSnapshot, WorkerSnapshot } from '../../pooler/thread-messages.js';
import { type Column, TypeOid } from '../../wire/message-builder.js';
import type { AuthQuerySnapshot } from '../auth-query/counters.js';
import type { Statistics } from '../statistics.js';
import type { WorkerStatus } from '../workers.js';

/** The pools that there are, by number. */
interface PoolList {
  all(): Iterable<readonly [number, PoolSettings]>;
  at(pool: number): PoolSettings | null;
}

/** What commands look at, and what they can do. */
export interface ConsoleContext {
  readonly configuration: () => Configuration;
  readonly pools: PoolList;
  readonly statistics: Statistics;
  readonly snapshot: () => Promise<WorkerSnapshot>;
  readonly statements: () => Promise<readonly StatementSnapshot[]>;
  readonly workers: () => readonly WorkerStatus[];
  readonly log: { readonly level: LogLevel; setLevel(level: LogLevel): void };
  readonly poolControl: PoolControl;
  /** Returns whether there was such a client. */
  readonly killClient: (id: number) => Promise<boolean>;
  readonly authQuery: () => readonly AuthQuerySnapshot[];
  readonly shutDown: () => void;
  /** Reads the configuration again. Returns what is wrong with it, each a line; nothing when it is in force. */
  readonly reload: () => Promise<readonly string[]>;
  /** Returns when the new process serves. Rejects with why it does not. */
  readonly upgrade: () => Promise<void>;
}

/** Over all workers. The pools of one database; null: all of them. */
export interface PoolControl {
  /** Returns when their servers are closed. Rejects when that is not waited for any more. */
  pause(database: string | null, signal: AbortSignal): Promise<void>;
  /** Returns whether they were paused. */
  resume(database: string | null): Promise<boolean>;
  reconnect(database: string | null): Promise<void>;
  kill(database: string | null): Promise<void>;
}

export type Row = readonly (string | number | null)[];

export interface ShowCommand {
  /** Behind SHOW, in capitals. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly rows: (context: ConsoleContext) => readonly Row[] | Promise<readonly Row[]>;
}

/** A command that does something. */
export interface ActionCommand {
  /** In capitals; the tag of its answer. */
  readonly name: string;
  /** What stands behind it, as the help says it; '' for nothing. In brackets: it may be left out. */
  readonly argument: '' | 'database' | '[database]' | 'client_id';
  /** null: it answers without rows. */
  readonly columns: readonly Column[] | null;
  /** Throws ClientFacingError. `signal`: nobody waits for its end any more. */
  readonly run: (
    context: ConsoleContext,
    argument: string | null,
    signal: AbortSignal,
  ) => Promise<readonly Row[]>;
}

export const text = (name: string): Column => ({ name, typeOid: TypeOid.Text });
export const int4 = (name: string): Column => ({ name, typeOid: TypeOid.Int4 });
export const numeric = (name: string): Column => ({ name, typeOid: TypeOid.Numeric });
