/** A command that has been understood and can be run. */
import type { Column } from '../../wire/message-builder.js';
import type { Row } from './command.js';

export interface PreparedCommand {
  /** Of CommandComplete. */
  readonly tag: string;
  /** null: it answers without rows. */
  readonly columns: readonly Column[] | null;
  /** What is said before the rows. */
  readonly notice?: { readonly message: string; readonly detail: string };
  /** Whether a transaction block begins or ends with it. */
  readonly block?: 'begins' | 'ends';
  readonly run: (signal: AbortSignal) => Promise<readonly Row[]>;
}

/** One that does nothing and says so. */
export function answered(tag: string, more: Partial<PreparedCommand> = {}): PreparedCommand {
  return { tag, columns: null, run: () => Promise.resolve([]), ...more };
}
