/** The statements of the model's SQL. */

/** What gives rows. */
export type Select =
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'integer'; readonly value: number }
  | { readonly type: 'parameter'; readonly number: number }
  | { readonly type: 'repeat'; readonly text: string; readonly count: number }
  | { readonly type: 'division'; readonly dividend: number; readonly divisor: number }
  | { readonly type: 'sleep'; readonly seconds: number }
  | { readonly type: 'missing'; readonly table: string }
  | { readonly type: 'series'; readonly from: number; readonly to: number }
  /** dividend / (divisor - i) for each i of a series. */
  | {
      readonly type: 'divisions';
      readonly dividend: number;
      readonly divisor: number;
      readonly from: number;
      readonly to: number;
    };

export type TransactionStatement =
  | { readonly type: 'begin'; readonly tag: 'BEGIN' | 'START TRANSACTION' }
  | { readonly type: 'commit' }
  | { readonly type: 'rollback' }
  | { readonly type: 'savepoint' | 'rollbackTo' | 'release'; readonly name: string };

export type Statement =
  | TransactionStatement
  | { readonly type: 'select'; readonly select: Select }
  /** null: DEFAULT, as of RESET. */
  | {
      readonly type: 'set';
      readonly name: string;
      readonly value: string | null;
      readonly isLocal: boolean;
      readonly tag: 'SET' | 'RESET';
    }
  | { readonly type: 'show'; readonly name: string }
  | { readonly type: 'resetAll' | 'resetRole' | 'discardAll' }
  | { readonly type: 'prepare'; readonly name: string; readonly select: Select }
  | { readonly type: 'execute'; readonly name: string; readonly values: readonly string[] }
  /** null: ALL. */
  | { readonly type: 'deallocate' | 'close'; readonly name: string | null }
  | { readonly type: 'declare'; readonly name: string; readonly isHold: boolean; readonly select: Select }
  | { readonly type: 'fetch'; readonly name: string; readonly count: number }
  | { readonly type: 'listen'; readonly channel: string }
  /** null: all. */
  | { readonly type: 'unlisten'; readonly channel: string | null }
  | { readonly type: 'copyIn'; readonly table: string }
  | { readonly type: 'copyOut'; readonly select: Select }
  | { readonly type: 'notice'; readonly text: string };
