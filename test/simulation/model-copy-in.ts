/** COPY FROM STDIN into a table of one text column, which nobody reads. PostgreSQL's
 *  src/backend/commands/copyfromparse.c; manual, COPY, "Text Format". */
import type { Message } from '../support/messages.js';
import { COPY_IN_RESPONSE } from './model-answers.js';
import type { Context } from './model-context.js';
import { nextMessage, type Waiting } from './model-coroutine.js';
import { FatalError, queryCanceled, SqlError } from './model-error.js';

/** Of a backslash and a dot. */
const END_MARK_LENGTH = 2;
const NEWLINE = 0x0a;
const TAB = 0x09;
const DOT = 0x2e;
const BACKSLASH = 0x5c;

/** A message came where its length cannot be trusted: the session ends behind the error. */
export class SynchronizationLost extends SqlError {
  readonly consequence = new FatalError(
    '08P01',
    'terminating connection because protocol synchronization was lost',
  );
}

/** Returns the number of rows. */
export function* copyIn(context: Context): Waiting<number> {
  context.output.put(COPY_IN_RESPONSE);
  context.output.flush();
  context.isInCopy = true;
  try {
    return yield* rowsIn(context);
  } finally {
    context.isInCopy = false;
  }
}

function* rowsIn(context: Context): Waiting<number> {
  const lines = new CopyLines(context);
  for (;;) {
    const message = yield* nextMessage();
    switch (message.tag) {
      case 'd':
        lines.take(message.body);
        break;
      case 'c':
        return lines.finish();
      case 'f':
        throw new SqlError('57014', `COPY from stdin failed: ${textOf(message)}`);
      case 'S':
      case 'H':
        break; // for the convenience of client libraries
      default:
        throw new SynchronizationLost(
          '08P01',
          `unexpected message type 0x${hexadecimal(message)} during COPY from stdin`,
        );
    }
  }
}

/** Counts the lines of the data, which may be cut anywhere. */
class CopyLines {
  private readonly context: Context;
  private count = 0;
  /** Of the line so far. */
  private length = 0;
  private hasTab = false;
  private isEscaped = false;
  private isEndMark = false;
  private hasEnded = false;

  constructor(context: Context) {
    this.context = context;
  }

  take(data: Buffer): void {
    for (const byte of data) {
      if (this.hasEnded) return; // what follows the end mark is thrown away
      if (byte === NEWLINE && !this.isEscaped) {
        this.endLine();
        if (this.context.isCancelPending) throw queryCanceled();
      } else this.takeByte(byte);
    }
  }

  /** The last line may do without its end. */
  finish(): number {
    if (this.length > 0 && !this.hasEnded) this.endLine();
    return this.count;
  }

  private takeByte(byte: number): void {
    if (this.isEndMark) throw endMarkNotAlone();
    this.length++;
    this.isEndMark = this.isEscaped && byte === DOT;
    this.hasTab ||= byte === TAB && !this.isEscaped;
    this.isEscaped = byte === BACKSLASH && !this.isEscaped;
  }

  private endLine(): void {
    if (this.isEndMark && this.length !== END_MARK_LENGTH) throw endMarkNotAlone();
    if (this.hasTab) throw new SqlError('22P04', 'extra data after last expected column');
    this.hasEnded = this.isEndMark;
    if (!this.isEndMark) this.count++;
    this.length = 0;
    this.isEndMark = false;
  }
}

function endMarkNotAlone(): SqlError {
  return new SqlError('22P04', 'end-of-copy marker is not alone on its line');
}

function textOf({ body }: Message): string {
  return body.subarray(0, body.length - 1).toString('utf8');
}

function hexadecimal({ tag }: Message): string {
  return tag.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
}
