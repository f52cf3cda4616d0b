/** What the parts of a backend share: one session's state. */
import { noticeResponse } from './model-answers.js';
import { Listens } from './model-listens.js';
import type { Output } from './model-output.js';
import { Portals } from './model-portals.js';
import type { Settings } from './model-settings.js';
import { PreparedStatements } from './model-statements.js';
import { Transaction } from './model-transaction.js';

export class Context {
  readonly output: Output;
  readonly settings: Settings;
  readonly listens = new Listens();
  readonly portals = new Portals();
  readonly statements = new PreparedStatements();
  readonly transaction: Transaction;
  isInCopy = false;
  /** A CancelRequest came where it is not looked at yet. */
  isCancelPending = false;

  constructor(output: Output, settings: Settings) {
    this.output = output;
    this.settings = settings;
    this.transaction = new Transaction(settings, this.listens, this.portals, (sqlstate, text) =>
      this.report('WARNING', sqlstate, text),
    );
  }

  /** PostgreSQL sends a notice at once, and what stands before it. */
  report(severity: 'NOTICE' | 'WARNING', sqlstate: string, text: string): void {
    this.output.put(noticeResponse(severity, sqlstate, text));
    this.output.flush();
  }
}
