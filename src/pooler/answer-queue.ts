/** What a server still owes, in order. Decides which answers are relayed, which are swallowed because we asked, and
 *  where our own are put in. Does not look into messages and does not send. PostgreSQL manual, "Extended Query". */
import { Bug } from '../reactor/words.js';
import { byteAt } from '../wire/bytes.js';
import { ANSWERS_OWED_MAX } from './limits.js';
import type { Statement } from './statements.js';

/** At most 15: four bits each. */
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
  SwallowedClose,
}

export const KIND_BITS = 4;
export const KIND_MASK = (1 << KIND_BITS) - 1;
/** So many kinds fit into one small integer. */
const NEAR_MAX = 7;
const NEAR_LAST_SHIFT = (NEAR_MAX - 1) * KIND_BITS;
/** ANSWERS_OWED_MAX is a power of two. */
const FAR_MASK = ANSWERS_OWED_MAX - 1;

export class AnswerQueue {
  /** The next answers, the very next in the lowest bits: most exchanges touch no other memory. */
  private near = 0;
  length = 0;
  /** An error came and no Sync stands in the queue: whatever comes before the Sync is skipped by the server. */
  private isSkipping = false;
  /** The answers behind `near`, made when there are any. */
  private far: Uint8Array | null = null;
  private farFirst = 0;
  /** For each ParseComplete that is owed its statement, null for one that we do not know. */
  parsing: (Statement | null)[] = [];
  /** How many of them stand before the last Sync. */
  private parsingEarlier = 0;
  /** How many answers have come: the place of the head. Wraps. */
  answered = 0;
  /** The place behind the last Sync. */
  batchPlace = 0;
  /** The place behind the last that ReadyForQuery ends. */
  private cyclePlace = 0;

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** Near its end: whoever feeds it should stop. A batch of one message adds at most three entries. */
  get isFull(): boolean {
    return this.length >= ANSWERS_OWED_MAX - 4;
  }

  /** Whether the server ignores everything up to the next Sync. */
  get skipsToSync(): boolean {
    return this.isSkipping;
  }

  /** The next answer's kind, Nothing when none is owed. */
  get head(): Owed {
    return (this.near & KIND_MASK) as Owed;
  }

  /** All that is owed, KIND_BITS each, the next answer's lowest; Nothing when it is too much for that. */
  get packed(): number {
    return this.length <= NEAR_MAX ? this.near : Owed.Nothing;
  }

  /** Whether something is owed, and the client is to see it. */
  get headIsRelayed(): boolean {
    const head = this.near & KIND_MASK;
    return head !== Owed.Nothing && head < Owed.SwallowedParse;
  }

  /** The place of what is pushed next. Wraps. */
  get nextPlace(): number {
    return (this.answered + this.length) | 0;
  }

  /** Whether what is sent next begins a batch: nothing before it can have it skipped. */
  get isBetweenBatches(): boolean {
    return !this.isSkipping && (this.length === 0 || this.cyclePlace === this.nextPlace);
  }

  /** How many answers of this kind are owed. */
  countOf(kind: Owed): number {
    let count = 0;
    for (let i = 0; i < this.length; i++) if (this.at(i) === kind) count++;
    return count;
  }

  /** Whether ReadyForQuery is owed: what state it will tell of is not known yet. */
  get owesCycle(): boolean {
    return ((this.cyclePlace - this.answered) | 0) > 0;
  }

  /** Whether it is not certain that the server will have the statement: a Parse of it is owed, and a Sync behind that. */
  isInDoubt(statement: Statement): boolean {
    if (this.parsingEarlier === 0) return false;
    const at = this.parsing.findLastIndex((each) => each?.nameText === statement.nameText);
    return at >= 0 && at < this.parsingEarlier;
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
    if (isParse(kind)) this.parsing.push(statement);
    this.append(kind);
    if (kind <= Owed.Sync) this.cyclePlace = this.nextPlace;
    if (kind === Owed.Sync) {
      this.parsingEarlier = this.parsing.length;
      this.batchPlace = this.nextPlace;
    }
    return true;
  }

  /** A whole batch of so many answers as in `packed`, that of its Sync last. Not behind one that is cut. */
  pushBatch(packed: number, count: number): void {
    if (this.length + count > NEAR_MAX)
      throw new Bug('a batch is pushed where there is no room near the head');
    this.near |= packed << (this.length * KIND_BITS);
    this.length += count;
    this.parsingEarlier = this.parsing.length;
    this.cyclePlace = this.nextPlace;
    this.batchPlace = this.cyclePlace;
  }

  pop(): void {
    if (this.length === 0) throw new Bug('an answer that nobody asked for');
    if (isParse(this.head)) {
      this.parsing.shift();
      if (this.parsingEarlier > 0) this.parsingEarlier--;
    }
    this.dropHead();
    this.answered = (this.answered + 1) | 0;
  }

  /** An ErrorResponse in the extended protocol: all up to the next Sync will not be answered. Each statement that
   *  was to be prepared is handed to `forget`. */
  skipToSync(forget: (statement: Statement) => void): void {
    for (let kind = this.head; kind !== Owed.Nothing; kind = this.head) {
      if (kind === Owed.Sync) return;
      const statement = isParse(kind) ? this.parsing[0] : null;
      if (statement) forget(statement);
      this.pop();
    }
    this.isSkipping = true;
  }

  /** The server has begun COPY FROM STDIN for the Execute at the head: it ignores the Syncs that it got since, up to
   *  the end of the data. Returns whether the end has been sent already. */
  beginCopyIn(): boolean {
    const kinds: Owed[] = [];
    for (; this.length > 0; this.dropHead()) kinds.push(this.head);
    const endAt = kinds.indexOf(Owed.CopyEnd);
    kinds.forEach((kind, i) => {
      const isIgnored = kind === Owed.Sync && (endAt < 0 || i < endAt);
      if (i === 0 || (i !== endAt && !isIgnored)) this.append(kind);
    });
    this.answered = (this.answered + kinds.length - this.length) | 0; // the others keep their places
    let last = this.length; // that ReadyForQuery ends: the first has moved, or the last was a Sync that is ignored
    while (last > 0 && this.at(last - 1) > Owed.Sync) last--;
    this.cyclePlace = (this.answered + last) | 0;
    return endAt >= 0;
  }

  /** The markers of COPY data that the server turned out not to want. */
  dropCopyEnds(): void {
    while (this.head === Owed.CopyEnd) this.pop();
  }

  clear(): void {
    this.answered = this.nextPlace;
    this.near = 0;
    this.length = 0;
    if (this.parsing.length > 0) this.parsing = [];
    this.parsingEarlier = 0;
    this.isSkipping = false;
  }

  private at(index: number): Owed {
    if (index < NEAR_MAX) return ((this.near >>> (index * KIND_BITS)) & KIND_MASK) as Owed;
    return (this.far?.[(this.farFirst + index - NEAR_MAX) & FAR_MASK] ?? Owed.Nothing) as Owed;
  }

  private append(kind: Owed): void {
    const { length } = this;
    if (length === ANSWERS_OWED_MAX) throw new Bug('more answers owed than there is room for');
    if (length < NEAR_MAX) this.near |= kind << (length * KIND_BITS);
    else {
      this.far ??= new Uint8Array(ANSWERS_OWED_MAX);
      this.far[(this.farFirst + length - NEAR_MAX) & FAR_MASK] = kind;
    }
    this.length = length + 1;
  }

  private dropHead(): void {
    this.near >>>= KIND_BITS;
    this.length--;
    if (this.length < NEAR_MAX || this.far === null) return;
    this.near |= byteAt(this.far, this.farFirst) << NEAR_LAST_SHIFT;
    this.farFirst = (this.farFirst + 1) & FAR_MASK;
  }
}

function isParse(kind: Owed): boolean {
  return kind === Owed.ParseComplete || kind === Owed.SwallowedParse;
}
