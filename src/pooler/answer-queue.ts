/** What a server still owes, in order. Decides which answers are relayed, which are swallowed because we asked, and
 *  where our own are put in. Does not look into messages and does not send. PostgreSQL manual, "Extended Query". */
import { Bug } from '../reactor/words.js';
import { ANSWERS_OWED_MAX } from './limits.js';
import type { Statement } from './statements.js';

export const enum Owed {
  Nothing,
  /** Everything until ReadyForQuery: a Query of the client, … */
  Query,
  /** … its FunctionCall, … */
  FunctionCall,
  /** … its Sync. */
  Sync,
  ParseComplete,
  BindComplete,
  /** ParameterDescription, then RowDescription or NoData. */
  StatementDescription,
  /** RowDescription or NoData. */
  PortalDescription,
  /** DataRows, then CommandComplete, EmptyQueryResponse or PortalSuspended; or a COPY. */
  ExecuteResult,
  CloseComplete,
  /** A CopyDone or CopyFail went out before the server had said that it takes COPY data. */
  CopyEnd,
  /** Ours, put in when all before it has been answered. */
  SyntheticParseComplete,
  SyntheticCloseComplete,
  /** Asked by us: the client does not see the answer. */
  SwallowedParse,
  SwallowedQuery,
}

/** ANSWERS_OWED_MAX is a power of two. */
const MASK = ANSWERS_OWED_MAX - 1;

export class AnswerQueue {
  private readonly kinds = new Uint8Array(ANSWERS_OWED_MAX);
  private readonly statements: (Statement | null)[] = [];
  private first = 0;
  private count = 0;
  /** An error came and no Sync stands in the queue: whatever comes before the Sync is skipped by the server. */
  private isSkipping = false;

  get length(): number {
    return this.count;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Near its end: whoever feeds it should stop. A batch of one message adds at most three entries. */
  get isFull(): boolean {
    return this.count >= ANSWERS_OWED_MAX - 4;
  }

  /** Whether the server ignores everything up to the next Sync. */
  get skipsToSync(): boolean {
    return this.isSkipping;
  }

  /** The next answer's kind, Nothing when none is owed. */
  get head(): Owed {
    return this.count === 0 ? Owed.Nothing : this.at(0);
  }

  /** Whether something is owed, and the client is to see it. */
  get headIsRelayed(): boolean {
    return this.count > 0 && this.at(0) < Owed.SwallowedParse;
  }

  /** The statement that the next answer is about. */
  get headStatement(): Statement | null {
    return this.statements[this.first] ?? null;
  }

  /** The latest entry's kind, Nothing when none is owed. */
  get tail(): Owed {
    return this.count === 0 ? Owed.Nothing : this.at(this.count - 1);
  }

  push(kind: Owed): void {
    this.pushFor(kind, null);
  }

  /** What the server skips is not owed: it is not entered, and a statement not prepared. Returns whether it was. */
  pushFor(kind: Owed, statement: Statement | null): boolean {
    if (this.isSkipping) {
      if (kind !== Owed.Sync) return false;
      this.isSkipping = false;
    }
    if (this.count === ANSWERS_OWED_MAX) throw new Bug('more answers owed than there is room for');
    const at = (this.first + this.count) & MASK;
    this.kinds[at] = kind;
    if (statement !== null) this.statements[at] = statement;
    this.count++;
    return true;
  }

  pop(): void {
    if (this.count === 0) throw new Bug('an answer that nobody asked for');
    if (this.statements[this.first]) this.statements[this.first] = null;
    this.count--;
    // From the beginning when it is empty: the same few entries stay in the processor's cache.
    this.first = this.count === 0 ? 0 : (this.first + 1) & MASK;
  }

  /** An ErrorResponse in the extended protocol: all up to the next Sync will not be answered. Each statement that
   *  was to be prepared is handed to `forget`. */
  skipToSync(forget: (statement: Statement) => void): void {
    while (this.count > 0) {
      const kind = this.head;
      if (kind === Owed.Sync) return;
      const statement = this.headStatement;
      if (statement !== null) forget(statement);
      this.pop();
    }
    this.isSkipping = true;
  }

  /** The server has begun COPY FROM STDIN for the Execute at the head: it ignores the Syncs that it got since, up to
   *  the end of the data. Returns whether the end has been sent already. */
  beginCopyIn(): boolean {
    let kept = 1;
    let hasEnded = false;
    for (let i = 1; i < this.count; i++) {
      const kind = this.at(i);
      if (!hasEnded && kind === Owed.CopyEnd) hasEnded = true;
      else if (hasEnded || kind !== Owed.Sync) this.move(i, kept++);
    }
    this.count = kept;
    return hasEnded;
  }

  /** The markers of COPY data that the server turned out not to want. */
  dropCopyEnds(): void {
    while (this.head === Owed.CopyEnd) this.pop();
  }

  clear(): void {
    while (this.count > 0) this.pop();
    this.isSkipping = false;
  }

  private at(index: number): Owed {
    return this.kinds[(this.first + index) & MASK] as Owed;
  }

  private move(from: number, to: number): void {
    if (from === to) return;
    const source = (this.first + from) & MASK;
    const target = (this.first + to) & MASK;
    this.kinds[target] = this.at(from);
    this.statements[target] = this.statements[source] ?? null;
    this.statements[source] = null;
  }
}
