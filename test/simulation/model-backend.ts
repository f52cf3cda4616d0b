/** The main loop of a backend: takes one message after the other, and skips to the Sync behind an error. PostgreSQL's
 *  src/backend/tcop/postgres.c, PostgresMain. */
import type { Message } from '../support/messages.js';
import { errorResponse, parameterStatus, readyForQuery } from './model-answers.js';
import type { Context } from './model-context.js';
import { SynchronizationLost } from './model-copy-in.js';
import { nextMessage, type Waiting } from './model-coroutine.js';
import { FatalError, SqlError } from './model-error.js';
import { bind, close, describe, execute, parse } from './model-extended-query.js';
import { functionCall } from './model-function-call.js';
import { clientOf, type Manners } from './model-manners.js';
import { MalformedMessage, MessageReader } from './model-reader.js';
import { simpleQuery } from './model-simple-query.js';

/** Of the extended protocol: behind an error in one of them a Sync is waited for. */
const EXTENDED = 'PBDECH';
const KNOWN = `${EXTENDED}QSFXdcf`;

export class Backend {
  private readonly context: Context;
  private readonly manners: Manners;
  private isInExtended = false;
  private isSkipping = false;

  constructor(context: Context, manners: Manners) {
    this.context = context;
    this.manners = manners;
  }

  /** Behind an error, until Sync. */
  get skipsToSync(): boolean {
    return this.isSkipping;
  }

  /** Returns when the session ends. */
  *run(): Waiting<void> {
    let owesReady = true;
    for (;;) {
      try {
        if (owesReady) this.ready();
        owesReady = false;
        const message = yield* nextMessage();
        if (message.tag === 'X') return;
        owesReady = this.isToBeSkipped(message) ? false : yield* this.handle(message);
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        if (this.fails(error)) return;
        owesReady = !this.isSkipping;
      }
    }
  }

  private ready(): void {
    const { output, settings, transaction } = this.context;
    this.context.isCancelPending = false;
    for (const [name, value] of settings.takeReport()) output.put(parameterStatus(name, value));
    output.put(readyForQuery(transaction.status));
    output.flush();
  }

  private isToBeSkipped({ tag }: Message): boolean {
    if (!KNOWN.includes(tag)) {
      this.manners.malformed(`tag ${JSON.stringify(tag)}`);
      throw new FatalError('08P01', `invalid frontend message type ${tag.charCodeAt(0)}`);
    }
    if (tag === 'S') this.isSkipping = false;
    this.isInExtended = EXTENDED.includes(tag);
    return this.isSkipping;
  }

  /** Returns whether ReadyForQuery is to follow. */
  private *handle(message: Message): Waiting<boolean> {
    const { context, manners } = this;
    switch (message.tag) {
      case 'Q': {
        const reader = new MessageReader(message);
        const sql = reader.string();
        reader.end();
        manners.speaks(clientOf(sql));
        yield* simpleQuery(context, sql);
        return true;
      }
      case 'P':
        parse(context, manners, message);
        return false;
      case 'B':
        bind(context, manners, message);
        return false;
      case 'D':
        describe(context, manners, message);
        return false;
      case 'E':
        yield* execute(context, message);
        return false;
      case 'C':
        close(context, message);
        return false;
      case 'H':
        context.output.flush();
        return false;
      case 'S':
        context.transaction.endImplicitBlock();
        yield* context.transaction.finishCommand();
        return true;
      case 'F':
        yield* functionCall(context, message);
        return true;
      default:
        return false; // of a COPY that has failed
    }
  }

  /** Returns whether the session ends. */
  private fails(error: SqlError): boolean {
    const { output, transaction } = this.context;
    if (error instanceof MalformedMessage) this.manners.malformed(error.message);
    output.put(errorResponse(error));
    if (error instanceof SynchronizationLost) output.put(errorResponse(error.consequence));
    output.flush();
    transaction.fail();
    this.context.isCancelPending = false;
    if (this.isInExtended) this.isSkipping = true;
    return error instanceof FatalError || error instanceof SynchronizationLost;
  }
}
