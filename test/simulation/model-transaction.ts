/** The transaction of a session: its block states, savepoints, and what it undoes. PostgreSQL's
 *  src/backend/access/transam/xact.c, whose words these are. */
import type { Waiting } from './model-coroutine.js';
import { SqlError } from './model-error.js';
import type { Listens, ListensSnapshot } from './model-listens.js';
import type { Portals } from './model-portals.js';
import type { Settings, SettingsSnapshot } from './model-settings.js';

export type Warn = (sqlstate: string, text: string) => void;

type Block =
  /** No transaction. */
  | 'default'
  /** One for a single command, or for a batch. */
  | 'started'
  /** One for the commands of a Query or of a batch, which have no BEGIN. */
  | 'implicit'
  /** BEGIN has been run; the block begins with the next command. */
  | 'begin'
  | 'inProgress'
  /** COMMIT has been run. */
  | 'end'
  /** The block has failed and waits for its end. */
  | 'abort'
  /** … and has got it. */
  | 'abortEnd'
  /** ROLLBACK has been run in a block that had not failed. */
  | 'abortPending';

interface Savepoint {
  readonly name: string;
  readonly before: Snapshot;
}

interface Snapshot {
  readonly settings: SettingsSnapshot;
  readonly listens: ListensSnapshot;
}

export class Transaction {
  private readonly settings: Settings;
  private readonly listens: Listens;
  private readonly portals: Portals;
  private readonly warn: Warn;
  private block: Block = 'default';
  /** A command has begun and is not finished: xact_started of postgres.c. */
  private isInCommand = false;
  private beginning: Snapshot;
  private savepoints: Savepoint[] = [];
  /** An Execute has completed and its transaction goes on: XACT_FLAGS_PIPELINING. */
  isPipelining = false;

  constructor(settings: Settings, listens: Listens, portals: Portals, warn: Warn) {
    this.settings = settings;
    this.listens = listens;
    this.portals = portals;
    this.warn = warn;
    this.beginning = this.snapshot;
  }

  get status(): 'I' | 'T' | 'E' {
    if (this.block === 'default' || this.block === 'started') return 'I';
    return this.hasFailed || this.block === 'abortEnd' ? 'E' : 'T';
  }

  get isOpen(): boolean {
    return this.block !== 'default';
  }

  get hasFailed(): boolean {
    return this.block === 'abort';
  }

  /** Where new portals belong. */
  get level(): number {
    return this.savepoints.length;
  }

  startCommand(): void {
    if (this.isInCommand) {
      if (this.isPipelining) this.beginImplicitBlock();
      return;
    }
    // PostgreSQL forgets to end what a batch without Sync and a Query behind it have begun.
    if (this.block === 'started')
      throw new SqlError('XX000', 'StartTransactionCommand: unexpected state STARTED');
    this.isInCommand = true;
    if (this.block !== 'default') return;
    this.block = 'started';
    this.isPipelining = false;
    this.beginning = this.snapshot;
  }

  *finishCommand(): Waiting<void> {
    if (!this.isInCommand) return;
    switch (this.block) {
      case 'started':
      case 'end':
        yield* this.commit();
        break;
      case 'begin':
        this.block = 'inProgress';
        break;
      case 'abortEnd':
        this.warnOfPortals();
        this.rollback();
        break;
      case 'abortPending':
        this.rollback();
        break;
      default:
    }
    this.isInCommand = false;
  }

  beginImplicitBlock(): void {
    if (this.block === 'started') this.block = 'implicit';
  }

  endImplicitBlock(): void {
    if (this.block === 'implicit') this.block = 'started';
  }

  /** A command has failed. */
  fail(): void {
    this.isInCommand = false;
    switch (this.block) {
      case 'default':
      case 'abort':
        return;
      case 'inProgress':
        this.block = 'abort';
        this.restore(this.savepoints.at(-1)?.before ?? this.beginning);
        this.portals.fail(this.level);
        return;
      default:
        this.rollback();
    }
  }

  begin(): void {
    if (this.block === 'started' || this.block === 'implicit') this.block = 'begin';
    else this.warn('25001', 'there is already a transaction in progress');
  }

  /** COMMIT. Returns the tag. */
  end(): 'COMMIT' | 'ROLLBACK' {
    if (this.block === 'abort') {
      this.block = 'abortEnd';
      return 'ROLLBACK';
    }
    if (this.block !== 'inProgress') this.warn('25P01', 'there is no transaction in progress');
    if (this.block !== 'started') this.block = 'end';
    return 'COMMIT';
  }

  /** ROLLBACK. */
  abort(): void {
    if (this.block === 'abort') {
      this.block = 'abortEnd';
      return;
    }
    if (this.block !== 'inProgress') this.warn('25P01', 'there is no transaction in progress');
    this.block = 'abortPending';
  }

  savepoint(name: string): void {
    this.requireBlock('SAVEPOINT');
    this.savepoints = [...this.savepoints, { name, before: this.snapshot }];
  }

  rollbackTo(name: string): void {
    this.requireBlock('ROLLBACK TO SAVEPOINT');
    const index = this.indexOf(name);
    const { before } = this.savepoints[index] ?? { before: this.beginning };
    if (this.block === 'abort') this.warnOfPortals();
    this.savepoints = this.savepoints.slice(0, index + 1);
    this.portals.dropFrom(index + 1);
    this.restore(before);
    this.block = 'inProgress';
  }

  release(name: string): void {
    this.requireBlock('RELEASE SAVEPOINT');
    const index = this.indexOf(name);
    this.savepoints = this.savepoints.slice(0, index);
    this.portals.lower(index);
  }

  /** For commands that only make sense in a transaction block. */
  requireBlock(command: string): void {
    if (this.block === 'inProgress' || this.block === 'abort') return;
    throw new SqlError('25P01', `${command} can only be used in transaction blocks`);
  }

  /** Whether commands that follow can be in the same transaction. */
  get isBlock(): boolean {
    return this.block !== 'default' && this.block !== 'started';
  }

  /** For commands that commit at once. */
  preventBlock(command: string): void {
    if (this.isBlock) throw new SqlError('25001', `${command} cannot run inside a transaction block`);
    if (this.isPipelining) throw new SqlError('25001', `${command} cannot be executed within a pipeline`);
  }

  private indexOf(name: string): number {
    const index = this.savepoints.findLastIndex((savepoint) => savepoint.name === name);
    if (index < 0) throw new SqlError('3B001', `savepoint "${name}" does not exist`);
    return index;
  }

  /** PostgreSQL's own complaint about what was bound after the failure and has not been run. */
  private warnOfPortals(): void {
    for (const name of this.portals.readyFrom(this.level))
      this.warn('01000', `skipping cleanup for portal "${name}"`);
  }

  private *commit(): Waiting<void> {
    yield* this.portals.commit();
    this.listens.commit();
    this.settings.endTransaction();
    this.close();
  }

  private rollback(): void {
    this.restore(this.beginning);
    this.portals.dropFrom(0);
    this.close();
  }

  private close(): void {
    this.block = 'default';
    this.savepoints = [];
    this.isPipelining = false;
  }

  private get snapshot(): Snapshot {
    return { settings: this.settings.snapshot, listens: this.listens.snapshot };
  }

  private restore({ settings, listens }: Snapshot): void {
    this.settings.restore(settings);
    this.listens.restore(listens);
  }
}
