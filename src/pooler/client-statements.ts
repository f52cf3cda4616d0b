/** What one client calls its prepared statements, and what its messages that are not answered yet make of the names:
 *  PostgreSQL does nothing of what it skips after an error. PostgreSQL manual, "Extended Query". */
import { copyOf, equalsAt } from '../wire/bytes.js';
import type { AnswerQueue } from './answer-queue.js';
import { NameChanges } from './name-changes.js';
import { discardsAll, SpecialQuery } from './simple-query.js';
import { type Statement, StatementNames } from './statements.js';

export class ClientStatements {
  private readonly names: StatementNames;
  private readonly changes = new NameChanges();
  /** Whether there are any since it has its server: most batches change nothing. */
  private hasChanges = false;
  /** The portal that was bound last to a command that drops statements, and the command. */
  private portal: Uint8Array | null = null;
  private dropping: Statement | null = null;

  /** sizeMax 0: without limit. */
  constructor(sizeMax: number) {
    this.names = new StatementNames(sizeMax);
  }

  /** Names and contents, in the order of use. */
  all(): { readonly name: Uint8Array; readonly content: Uint8Array }[] {
    return this.names.all();
  }

  get size(): number {
    return this.names.size;
  }

  /** While nothing is underway. */
  setAt(name: Uint8Array, statement: Statement): void {
    this.names.set(name, 0, name.length, statement);
  }

  /** The statement that the client calls bytes[begin, end), null when there is none. */
  get(bytes: Uint8Array, begin: number, end: number): Statement | null {
    return this.names.get(bytes, begin, end);
  }

  /** Whether it depends on an earlier batch, which is not answered yet, what the name stands for. */
  isInDoubt({ answered, batchPlace }: AnswerQueue, bytes: Uint8Array, begin: number, end: number): boolean {
    return this.hasChanges && this.changes.isInDoubt(bytes, begin, end, answered, batchPlace);
  }

  /** Whether a message that is not answered yet changes any name. */
  isChanging({ answered }: AnswerQueue): boolean {
    return this.hasChanges && this.changes.isAny(answered);
  }

  /** The message whose answer will be owed next says what the name stands for: a Parse, or a Close with null. */
  change(queue: AnswerQueue, bytes: Uint8Array, begin: number, end: number, to: Statement | null): void {
    const before = this.names.get(bytes, begin, end);
    this.hasChanges = true;
    this.changes.add(queue.nextPlace, queue.answered, bytes, begin, end, before);
    if (to === null) this.names.delete(bytes, begin, end);
    else if (to !== before) this.names.set(bytes, begin, end, to);
  }

  /** The name is forgotten at once. Returns whether it was known, or may have been. */
  forget(bytes: Uint8Array, begin: number, end: number): boolean {
    return this.names.delete(bytes, begin, end) || this.names.hasForgotten;
  }

  /** All of them are forgotten at once. */
  clear(): void {
    this.names.clear();
  }

  /** The server has forgotten all that was prepared before the answer that is owed next. */
  discarded({ answered }: AnswerQueue): void {
    this.changes.keepOnly(answered, this.names);
  }

  /** The message at `from` has failed, and the server skips those up to `to`. */
  skipped(from: number, to: number): void {
    this.changes.undo(from, to, this.names);
  }

  /** Another server: what the last one had not answered does not matter any more. */
  begins(): void {
    if (this.hasChanges) this.changes.clear();
    this.hasChanges = false;
    this.portal = null;
  }

  /** A portal is bound to the statement. */
  bound(statement: Statement, bytes: Uint8Array, portalAt: number, portalEnd: number): void {
    const drops = dropsStatements(statement.special);
    if (!drops && this.portal === null) return;
    this.portal = drops ? copyOf(bytes, portalAt, portalEnd) : null;
    this.dropping = statement;
  }

  /** The command that drops statements and that an Execute of this portal runs, null when it is another. */
  droppingBy(bytes: Uint8Array, portalAt: number, portalEnd: number): Statement | null {
    const { portal } = this;
    if (portal === null || portal.length !== portalEnd - portalAt) return null;
    return equalsAt(bytes, portalAt, portal) ? this.dropping : null;
  }
}

function dropsStatements(special: SpecialQuery): boolean {
  return special === SpecialQuery.Deallocate || discardsAll(special);
}
