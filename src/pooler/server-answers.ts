/** What each message of a server means for what it owes: which go to the client that has the server, in the order in
 *  which they are owed, and where our own answers belong; and what each leaves behind in its session. Not for: finding
 *  the messages (server-stream.ts), its life from one client to the next (server-session.ts), prepared statements
 *  (server-statements.ts), logging in (server-login.ts). PostgreSQL manual, "Message Flow". */
import type { DetachedSocket } from '../reactor/reactor.js';
import { byteAt, textBetween, zeroAt } from '../wire/bytes.js';
import { type ClientFacingError, SessionRefused } from '../wire/client-facing-error.js';
import { readErrorResponse } from '../wire/error-response.js';
import { query } from '../wire/message-builder.js';
import { CLOSE_COMPLETE, PARSE_COMPLETE } from '../wire/ready-made.js';
import { Backend, TransactionStatus } from '../wire/tags.js';
import { Owed } from './answer-queue.js';
import { isAnswer, Meaning } from './backend-meaning.js';
import type { CloseReason } from './close-reason.js';
import { dirtFromTag, type HoldsStatements, ServerDirt } from './command-tag.js';
import { Counter, Histogram } from './counters.js';
import { ANSWERS_OWED_MAX, PARAMETERS_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';
import { isPlainAnswer } from './plain-answer.js';
import type { Pool } from './pool.js';
import { Side, type Traced } from './protocol-trace.js';
import type { ServerLogin } from './server-login.js';
import { ServerStatements } from './server-statements.js';
import { Fate, ServerState, ServerStream } from './server-stream.js';
import { StatementBeginning } from './statement-beginning.js';
import { ticksAt } from './ticks.js';
import { TrackedParameters } from './tracked-parameters.js';

const enum Copy {
  None,
  In,
  Out,
}

export abstract class ServerAnswers extends ServerStream implements HoldsStatements, Traced {
  status = TransactionStatus.Idle;
  protected dirt = 0;
  private copy = Copy.None;
  /** The place behind what was owed when CopyData went out before the server had said that it takes any. */
  private earlyCopyPlace = 0;
  /** Nothing is owed any more. What that means is decided when all that has come has been looked at. */
  protected isSettled = false;
  protected hadError = false;
  protected hasChangedSchema = false;
  protected sawFatal = false;
  /** Ticks: when what it is doing was asked for. */
  private busySince = 0;
  queries = 0;
  transactions = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly statements: ServerStatements;
  /** Of the statement that its client has sent last. */
  readonly beginning = new StatementBeginning();
  /** What its session says of the parameters that clients take along; null when they take none. */
  protected readonly parameters: TrackedParameters | null;
  /** Who reads its messages until it has logged in. */
  protected login: ServerLogin | null = null;

  protected constructor(pool: Pool, detached: DetachedSocket | null) {
    super(pool, detached);
    const { settings } = pool.plane;
    this.statements = new ServerStatements(this, settings.preparedStatementsCacheSize);
    this.parameters = settings.syncServerParameters ? new TrackedParameters() : null;
  }

  abstract get logFields(): LogFields;
  /** All has been answered, and nothing unread is here: it may be parted from its client. */
  protected abstract settle(): void;
  /** The rest of a message is still to come. */
  protected abstract isCut(): void;
  protected abstract close(reason: CloseReason): void;
  /** The connection ends, and the client with it. */
  protected abstract lose(reason: CloseReason, errno: number, error: ClientFacingError | null): void;

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const { trace } = this.pool.plane;
    if (trace === null || this.login !== null) return this.receive(bytes, begin, end);
    trace.begins(this, Side.Server);
    this.receive(bytes, begin, end);
    trace.read(this, bytes, begin, end);
    return end;
  }

  private receive(bytes: Uint8Array, begin: number, end: number): number {
    this.bytesReceived += end - begin;
    this.sendSynthetics(); // before the answers to what was sent behind them
    if (this.client !== null && !this.isInside && isPlainAnswer(bytes, begin, end, this.queue.packed)) {
      this.answerCame(bytes, begin, end);
    } else {
      this.readMessages(bytes, begin, end);
      if (this.isInside) this.isCut();
    }
    if (this.isSettled && !this.isInside) this.settle();
    if (this.client?.waitsForAnswers === true && this.queue.length < ANSWERS_OWED_MAX / 2) {
      this.client.socket.resume();
    }
    return end;
  }

  /** Everything that is owed, and the end of the transaction. */
  private answerCame(bytes: Uint8Array, begin: number, end: number): void {
    this.status = TransactionStatus.Idle;
    this.queue.clear();
    this.countQuery();
    this.relay(bytes, begin, end);
    this.act();
  }

  // ── what is asked of it ────────────────────────────────────────────────────────────────────────────────────────

  /** Sends a client's bytes; what they ask for has been entered in the queue. */
  send(bytes: Uint8Array, begin: number, end: number): void {
    this.bytesSent += end - begin;
    this.socket.send(bytes, begin, end);
  }

  /** Something new is owed by a server that owed nothing: its time begins. */
  begins(): void {
    if (this.queue.isEmpty) this.busySince = ticksAt(this.pool.plane.reactor.nowMs);
  }

  /** Brings its session to the parameters that the client takes along. */
  take(parameters: TrackedParameters): void {
    const commands = this.parameters === null ? '' : parameters.commandsFrom(this.parameters);
    if (commands !== '') this.ask(query(commands));
  }

  /** Something of ours in place of an answer of PostgreSQL's. As PostgreSQL's own it waits for a Flush or Sync, or for
   *  more that goes with it. */
  answerLocally(kind: Owed.SyntheticParseComplete | Owed.SyntheticCloseComplete): void {
    this.queue.push(kind);
  }

  /** Whether there is no room for more answers, even when ours have been sent whose turn has come. */
  isFull(): boolean {
    if (!this.queue.isFull) return false;
    this.sendSynthetics();
    return this.queue.isFull;
  }

  /** Sends our own answers whose turn has come: not in the middle of a notice, which nobody has asked for either. */
  sendSynthetics(): void {
    if (this.isMidRelay && isSynthetic(this.queue.head)) {
      this.actsAtEnd = true; // before what comes behind it
      return;
    }
    for (let kind = this.queue.head; isSynthetic(kind); kind = this.queue.head) {
      this.queue.pop();
      this.sendSynthetic(kind);
    }
  }

  private sendSynthetic(kind: Owed): void {
    const message = kind === Owed.SyntheticParseComplete ? PARSE_COMPLETE : CLOSE_COMPLETE;
    this.client?.socket.send(message, 0, message.length);
  }

  /** Whether COPY data of the client has somewhere to go. */
  get takesCopyData(): boolean {
    return this.copy === Copy.In || !this.queue.isEmpty;
  }

  protected get isInCopy(): boolean {
    return this.copy !== Copy.None;
  }

  get isInCopyIn(): boolean {
    return this.copy === Copy.In;
  }

  /** Whether CopyData went out and the server has not said yet whether it takes any, even when ours have been sent
   *  whose turn has come: for them alone nothing would come that goes on. */
  mayBeInCopyIn(): boolean {
    if (!this.owesAheadOfCopy) return false;
    this.sendSynthetics();
    return this.owesAheadOfCopy;
  }

  private get owesAheadOfCopy(): boolean {
    const ahead = (this.earlyCopyPlace - this.queue.answered) | 0;
    return ahead > 0 && ahead <= this.queue.length;
  }

  /** A client's CopyData goes out. */
  copyDataGoesOut(): void {
    if (this.copy !== Copy.In) this.earlyCopyPlace = this.queue.nextPlace;
  }

  /** A client's CopyDone or CopyFail goes out. */
  copyInEnds(): void {
    this.earlyCopyPlace = this.queue.answered;
    if (this.copy === Copy.In) this.copy = Copy.None;
    else this.queue.push(Owed.CopyEnd);
  }

  /** Something was sent that leaves state behind. */
  soil(dirt: ServerDirt): void {
    this.dirt |= dirt;
  }

  /** A message of ours that ends in ReadyForQuery; nobody sees the answer. */
  ask(message: Uint8Array): void {
    this.begins();
    this.queue.push(Owed.SwallowedQuery);
    this.send(message, 0, message.length);
  }

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  protected decide(tag: number, meaning: Meaning, bytes: Uint8Array, bodyAt: number, bodyEnd: number): Fate {
    if (this.login !== null) {
      return this.login.onMessage(tag, bytes, bodyAt, bodyEnd) ? Fate.Swallow : Fate.Stop;
    }
    if (this.isInPool) return this.unasked(tag, bytes, bodyAt, bodyEnd);
    const head = this.queue.head;
    const relayed = this.client === null || head >= Owed.SwallowedParse ? Fate.Swallow : Fate.Relay;
    if (head === Owed.Nothing && isAnswer(meaning)) {
      return this.violated(`message ${String.fromCharCode(tag)} that nobody asked for`);
    }
    switch (meaning) {
      case Meaning.Data:
        return relayed;
      case Meaning.Answer:
        return this.answered(tag, head, relayed);
      case Meaning.CommandComplete:
        this.dirt = dirtFromTag(this.dirt, bytes, bodyAt, bodyEnd, this);
        this.copy = Copy.None;
        return this.answered(tag, head, relayed);
      case Meaning.CycleEnds:
        return this.cycleEnds(byteAt(bytes, bodyAt), head);
      case Meaning.Error:
        return this.errorCame(bytes, bodyAt, bodyEnd, head);
      case Meaning.CopyIn:
        this.copy = Copy.In;
        if (this.queue.beginCopyIn()) this.copy = Copy.None;
        if (this.client === null && (this.copy === Copy.In || !this.queue.owesCycle)) {
          this.close('client_lost'); // it would wait for data, or for a Sync, for ever
          return Fate.Stop;
        }
        if (!this.queue.owesCycle) this.client?.batchGoesOn();
        return relayed;
      case Meaning.CopyOut:
        this.copy = Copy.Out;
        return relayed;
      case Meaning.Unasked:
        return this.client === null ? Fate.Swallow : Fate.Relay;
      case Meaning.Parameter:
        this.parameterChanged(bytes, bodyAt, bodyEnd, relayed === Fate.Relay);
        return relayed;
      default:
        return this.violated(`message ${String.fromCharCode(tag)} at the wrong time`);
    }
  }

  /** Nobody's: idle, or on its way to be so in another worker. */
  protected get isInPool(): boolean {
    return this.state === ServerState.Idle || this.state === ServerState.Leaving;
  }

  /** A message that is or ends the answer at the head of the queue. */
  private answered(tag: number, head: Owed, relayed: Fate): Fate {
    if (head === Owed.Query || head === Owed.FunctionCall || head === Owed.SwallowedQuery) return relayed;
    if (!answers(tag, head))
      return this.violated(`message ${String.fromCharCode(tag)} that nobody asked for`);
    this.queue.pop();
    const next = this.queue.head;
    const acts = next === Owed.CopyEnd || isSynthetic(next);
    if (!acts) return relayed;
    return relayed === Fate.Relay ? Fate.RelayAndAct : Fate.SwallowAndAct;
  }

  private cycleEnds(status: number, head: Owed): Fate {
    if (
      status !== TransactionStatus.Idle &&
      status !== TransactionStatus.InTransaction &&
      status !== TransactionStatus.Failed
    ) {
      return this.violated('ReadyForQuery with an unknown status');
    }
    this.status = status;
    this.copy = Copy.None;
    switch (head) {
      case Owed.Query:
      case Owed.FunctionCall:
      case Owed.Sync:
        this.queue.pop();
        this.countQuery();
        return this.client === null ? Fate.SwallowAndAct : Fate.RelayAndAct;
      case Owed.SwallowedQuery:
        this.queue.pop();
        // It spells some values in its own way: they are the client's from now on.
        if (this.parameters !== null) this.client?.parameters?.adopt(this.parameters);
        return Fate.SwallowAndAct;
      default:
        return this.violated('ReadyForQuery that nobody asked for');
    }
  }

  /** What follows an answer: our own answers whose turn has come, and the end of the cycle. */
  protected act(): void {
    this.queue.dropCopyEnds();
    this.sendSynthetics();
    this.isSettled = this.queue.isEmpty && !this.queue.skipsToSync;
  }

  private errorCame(bytes: Uint8Array, bodyAt: number, bodyEnd: number, head: Owed): Fate {
    const fields = readErrorResponse(bytes, bodyAt, bodyEnd);
    const isFatal = fields.severity === 'FATAL' || fields.severity === 'PANIC';
    if (isFatal) this.sawFatal = true;
    if (isFatal && this.isSettled) {
      // Behind the last answer: a client that is done with the server need not hear of it.
      this.settle();
      if (this.isClosed) return Fate.Stop;
    }
    this.copy = Copy.None;
    if (head === Owed.SwallowedQuery && !isFatal) {
      this.hadError = true;
      if (this.client === null) return Fate.Swallow;
      // A deferred BEGIN, or parameters that the client asks for: it must not go on without them.
      this.lose('cleanup_failed', 0, new SessionRefused(fields));
      return Fate.Stop;
    }
    this.pool.counters.countError(fields.sqlstate);
    if (this.client !== null) this.client.errors++;
    if (head !== Owed.Query && head !== Owed.FunctionCall && head !== Owed.Nothing) {
      if (this.statements.areDoubtedBy(head, fields)) this.soil(ServerDirt.Prepare);
      const from = this.queue.answered;
      this.queue.skipToSync((statement) => this.statements.delete(statement));
      if (this.client === null && this.queue.skipsToSync) {
        this.close('client_lost'); // it would wait for a Sync for ever
        return Fate.Stop;
      }
      this.client?.answersSkipped(from, this.queue.answered);
    }
    return this.client === null ? Fate.Swallow : Fate.Relay;
  }

  /** PostgreSQL speaks to a server that is in the pool. */
  private unasked(tag: number, bytes: Uint8Array, bodyAt: number, bodyEnd: number): Fate {
    if (tag === Backend.ParameterStatus) this.parameterChanged(bytes, bodyAt, bodyEnd, false);
    else if (tag === Backend.ErrorResponse) {
      const { sqlstate, message } = readErrorResponse(bytes, bodyAt, bodyEnd);
      const what = `server was ended by PostgreSQL while idle: ${message}`;
      this.pool.log('warn', what, { ...this.logFields, sqlstate });
      this.close('server_fatal');
      return Fate.Stop;
    } else if (tag !== Backend.NoticeResponse && tag !== Backend.NotificationResponse) {
      return this.violated(`message ${String.fromCharCode(tag)} while idle`);
    }
    return Fate.Swallow;
  }

  protected violated(what: string): Fate {
    this.pool.log('error', `server broke the protocol: ${what}; it is closed`, this.logFields);
    return Fate.Broken;
  }

  // ── what is left behind ────────────────────────────────────────────────────────────────────────────────────────

  forgetStatements(): number {
    this.statements.wereDropped();
    this.client?.statementsDiscarded(this.queue);
    return this.queue.parsing.includes(null) ? ServerDirt.Prepare : 0; // the client's own, on their way
  }

  /** What is prepared may not fit the tables any more: not now, and not when others see the change. */
  schemaChanged(): void {
    this.hasChangedSchema = true;
    this.pool.statements.renewAll();
  }

  /** ParameterStatus: name, zero, value, zero. Of the login too. */
  parameterChanged(bytes: Uint8Array, bodyAt: number, bodyEnd: number, isClients: boolean): void {
    const { client, pool, login } = this;
    const nameEnd = zeroAt(bytes, bodyAt, bodyEnd);
    const valueEnd = nameEnd < 0 ? -1 : zeroAt(bytes, nameEnd + 1, bodyEnd);
    if (valueEnd < 0) return;
    const name = textBetween(bytes, bodyAt, nameEnd);
    const value = textBetween(bytes, nameEnd + 1, valueEnd);
    // Later changes are of sessions; what a client is greeted with is what a fresh server says.
    if (login !== null && login.parameters.size < PARAMETERS_MAX) login.parameters.set(name, value);
    this.parameters?.set(name, value);
    if (!isClients || client === null) return;
    client.parameters?.set(name, value);
    if (!pool.settings.logClientParameterStatusChanges) return;
    const change = `parameter changed: ${name} is now ${JSON.stringify(value)}`;
    pool.log('info', change, client.logFields);
  }

  private countQuery(): void {
    const { counters, plane } = this.pool;
    counters.add(Counter.Queries, 1);
    const now = ticksAt(plane.reactor.nowMs);
    counters.took(Histogram.Query, Counter.QueryTime, (now - this.busySince) >>> 0);
    this.busySince = now;
    this.queries++;
  }

  get isBetweenMessages(): boolean {
    return !this.isInside;
  }

  get tracedFor(): number {
    return this.client?.id ?? 0;
  }
}

function isSynthetic(kind: Owed): boolean {
  return kind === Owed.SyntheticParseComplete || kind === Owed.SyntheticCloseComplete;
}

/** Whether a message ends the answer of this kind. */
function answers(tag: number, kind: Owed): boolean {
  switch (tag) {
    case Backend.ParseComplete:
      return kind === Owed.ParseComplete || kind === Owed.SwallowedParse;
    case Backend.BindComplete:
      return kind === Owed.BindComplete;
    case Backend.CloseComplete:
      return kind === Owed.CloseComplete || kind === Owed.SwallowedClose;
    case Backend.RowDescription:
    case Backend.NoData:
      return kind === Owed.StatementDescription || kind === Owed.PortalDescription;
    case Backend.CommandComplete:
    case Backend.EmptyQueryResponse:
    case Backend.PortalSuspended:
      return kind === Owed.ExecuteResult;
    default:
      return false;
  }
}
