/** What a console command is: its name, its columns, and where its rows come from. */
import type { Configuration } from '../../config/load.js';
import type { PoolSettings } from '../../pooler/settings.js';
import type { WorkerSnapshot } from '../../pooler/thread-messages.js';
import { type Column, TypeOid } from '../../wire/message-builder.js';
import type { AuthQuerySnapshot } from '../auth-query/counters.js';
import type { Statistics } from '../statistics.js';
import type { WorkerStatus } from '../workers.js';

/** The pools that there are, by number. */
interface PoolList {
  all(): Iterable<readonly [number, PoolSettings]>;
  at(pool: number): PoolSettings | null;
}

/** What commands look at. */
export interface ConsoleContext {
  readonly configuration: () => Configuration;
  readonly pools: PoolList;
  readonly statistics: Statistics;
  readonly snapshot: () => Promise<WorkerSnapshot>;
  readonly workers: () => readonly WorkerStatus[];
  readonly authQuery: () => readonly AuthQuerySnapshot[];
  readonly shutDown: () => void;
  /** What is wrong with the configuration; then it stays as it was. */
  readonly reload: () => Promise<readonly string[]>;
}

export type Row = readonly (string | number)[];

export interface ShowCommand {
  /** Behind SHOW, in capitals. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly rows: (context: ConsoleContext) => readonly Row[] | Promise<readonly Row[]>;
}

export const text = (name: string): Column => ({ name, typeOid: TypeOid.Text });
export const int4 = (name: string): Column => ({ name, typeOid: TypeOid.Int4 });
export const numeric = (name: string): Column => ({ name, typeOid: TypeOid.Numeric });
