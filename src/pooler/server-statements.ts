/** The statements that one server has for its clients: sent to it where they are missing, closed when there are too
 *  many. Every Parse and Close that the pooler sends on its own comes from here. PostgreSQL manual, "Extended Query". */
import { putInt32 } from '../wire/bytes.js';
import type { ErrorFields } from '../wire/error-fields.js';
import { closeStatement, parse } from '../wire/message-builder.js';
import { CLOSE_UNNAMED } from '../wire/ready-made.js';
import { SQLSTATE } from '../wire/sqlstate.js';
import { Frontend, HEADER_LENGTH, LENGTH_LENGTH, TAG_LENGTH, TransactionStatus } from '../wire/tags.js';
import { type AnswerQueue, Owed } from './answer-queue.js';
import { Counter } from './counters.js';
import { ANSWERS_OWED_MAX, CLOSED_AT_ONCE_MAX } from './limits.js';
import { PreparedSet } from './prepared-set.js';
import type { ServerAnswers } from './server-answers.js';
import { NAME_PREFIX, nameBytes, type Statement } from './statements.js';

const ZERO = Uint8Array.of(0);

export class ServerStatements {
  private readonly server: ServerAnswers;
  private readonly queue: AnswerQueue;
  private readonly prepared: PreparedSet;
  /** What was named last in a Bind or Describe. */
  private lastUsed: Statement | null = null;
  /** The place of the last command that drops all that is prepared. */
  private discardPlace = 0;
  private hasDiscarded = false;
  hits = 0;
  misses = 0;

  constructor(server: ServerAnswers, sizeMax: number) {
    this.server = server;
    this.queue = server.queue;
    this.prepared = new PreparedSet(sizeMax);
  }

  get size(): number {
    return this.prepared.size;
  }

  /** The names of what is prepared, the one that is to go first at the front. */
  names(): string[] {
    return this.prepared.names();
  }

  /** What was prepared through another worker. */
  takeOver(names: readonly string[], hits: number, misses: number): void {
    for (const name of names) this.prepared.addName(name);
    this.hits = hits;
    this.misses = misses;
  }

  /** Whether the statement is prepared, or on its way. */
  has(statement: Statement): boolean {
    return this.prepared.has(statement);
  }

  /** Has a statement prepared if it is not, unseen by the client. */
  prepare(statement: Statement): void {
    this.lastUsed = statement;
    if (this.prepared.has(statement)) return this.countHits(1);
    this.makeRoom();
    this.sendParse(statement, Owed.SwallowedParse);
  }

  /** A batch has named one that is there so many times, the last time in a Bind. */
  run(statement: Statement, times: number): void {
    this.lastUsed = statement;
    this.countHits(times);
  }

  /** A client's own Parse: sent unless the statement is there; if it is not, room was made for it. The client sees the
   *  same either way. */
  parse(statement: Statement, isThere: boolean): void {
    if (!isThere) return this.sendParse(statement, Owed.ParseComplete);
    this.countHits(1);
    if (this.mayHaveFailed) this.parseUnnamed(statement);
    else this.server.answerLocally(Owed.SyntheticParseComplete);
  }

  /** An empty statement of this name, unseen by the client. */
  parseEmpty(name: Uint8Array): void {
    const message = parse(Buffer.concat([name, ZERO]), '');
    this.queue.push(Owed.SwallowedParse);
    this.server.send(message, 0, message.length);
  }

  /** Nobody will ask for it again. */
  retire(statement: Statement): void {
    this.prepared.retire(statement);
  }

  /** A Parse of it has failed or was skipped. */
  delete(statement: Statement): void {
    this.prepared.delete(statement);
  }

  /** What is sent next drops all that is prepared: until it is answered nobody can tell what there is. */
  discardsBegin(): void {
    this.discardPlace = this.queue.nextPlace;
    this.hasDiscarded = true;
  }

  /** Whether such a command is not answered yet. */
  get isDiscarding(): boolean {
    const ahead = (this.discardPlace - this.queue.answered) | 0;
    return this.hasDiscarded && ahead >= 0 && ahead < this.queue.length; // places wrap
  }

  /** Everything is gone but for what is on its way. */
  wereDropped(): void {
    this.hasDiscarded = false;
    this.prepared.keepOnly(this.queue.parsing);
  }

  /** What an error says of the statements, and whether what is prepared may differ from what is known here. */
  areDoubtedBy(head: Owed, { sqlstate, message }: ErrorFields): boolean {
    const namesStatement = head === Owed.BindComplete || head === Owed.StatementDescription;
    const doesNotFit = sqlstate === SQLSTATE.feature_not_supported || sqlstate === SQLSTATE.internal_error;
    if (doesNotFit && namesStatement) {
      // "cached plan must not change result type", "cache lookup failed for type"; other causes cost no more than
      // preparing it again.
      const cache = this.server.pool.statements;
      if (this.lastUsed !== null && this.queue.countOf(head) === 1) cache.renew(this.lastUsed);
      else cache.renewAll(); // it may be any
      return false;
    }
    return message.includes(NAME_PREFIX); // one is missing, or there already: somebody has dropped them unseen
  }

  private countHits(hits: number): void {
    this.hits += hits;
    this.server.pool.counters.add(Counter.PreparedHits, hits);
  }

  private sendParse(statement: Statement, owed: Owed.ParseComplete | Owed.SwallowedParse): void {
    if (this.queue.pushFor(owed, statement)) {
      this.misses++;
      this.server.pool.counters.add(Counter.PreparedMisses, 1);
      this.prepared.add(statement);
    }
    this.server.send(statement.parse, 0, statement.parse.length);
  }

  /** Closes statements that are too many. Only before a batch begins: no error can have the Close skipped there, and no
   *  Bind of this batch is on its way to one of them. */
  makeRoom(): void {
    const { queue, prepared } = this;
    if (!queue.isBetweenBatches || queue.length > ANSWERS_OWED_MAX / 2) return;
    for (let i = 0; i < CLOSED_AT_ONCE_MAX; i++) {
      const surplus = prepared.takeSurplus(this.server.pool.statements);
      if (surplus === null) return;
      const close = closeStatement(nameBytes(surplus));
      queue.push(Owed.SwallowedClose);
      this.server.send(close, 0, close.length);
    }
  }

  /** Whether the transaction has failed, or may have when the server comes to what is sent now. */
  private get mayHaveFailed(): boolean {
    const { status } = this.server;
    if (status === TransactionStatus.Failed) return true;
    return status === TransactionStatus.InTransaction && this.queue.owesCycle;
  }

  /** A Parse that PostgreSQL is to refuse in a failed transaction, of a statement that is there under its name. */
  private parseUnnamed({ content }: Statement): void {
    const { server, queue } = this;
    queue.pushFor(Owed.ParseComplete, null);
    const length = HEADER_LENGTH + 1;
    const start = server.pool.plane.scratch(length);
    start[0] = Frontend.Parse;
    putInt32(start, TAG_LENGTH, LENGTH_LENGTH + 1 + content.length);
    start[HEADER_LENGTH] = 0;
    server.send(start, 0, length);
    server.send(content, 0, content.length);
    // Nobody else shall find it there.
    queue.push(Owed.SwallowedClose);
    server.send(CLOSE_UNNAMED, 0, CLOSE_UNNAMED.length);
  }
}
