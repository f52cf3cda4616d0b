/** The commonest batch of all, told in one pass over it, where the general way would take a decision for each of its
 *  messages: one statement, run once, in the unnamed portal:
 *
 *      [ Parse of the unnamed statement ]  Bind  [ Describe of the portal ]  Execute  Sync
 *
 *  PostgreSQL manual, "Extended Query". */
import { byteAt, int32At, zeroAt } from '../wire/bytes.js';
import { Frontend, HEADER_LENGTH, LENGTH_LENGTH, PORTAL_KIND, TAG_LENGTH } from '../wire/tags.js';
import { KIND_BITS, Owed } from './answer-queue.js';

const SYNC_LENGTH = HEADER_LENGTH;
/** The portal's empty name, and how many rows. */
const EXECUTE_LENGTH = HEADER_LENGTH + 1 + 4;
/** The kind, and the portal's empty name. */
const DESCRIBE_LENGTH = HEADER_LENGTH + 2;
const NO = -1;

/** As in AnswerQueue.packed. */
const OWED_EXECUTED = (Owed.Sync << KIND_BITS) | Owed.ExecuteResult;
const OWED_DESCRIBED = (OWED_EXECUTED << KIND_BITS) | Owed.PortalDescription;

/** Answers through its own fields, which hold until the next one is read. */
export class PlainBatch {
  hasParse = false;
  /** Query text and parameter types of its Parse. */
  contentAt = 0;
  contentEnd = 0;
  /** The body of its Bind, and the name of the statement there. */
  bodyAt = 0;
  bodyEnd = 0;
  nameAt = 0;
  nameEnd = 0;
  /** What will be owed for it, as in AnswerQueue.packed, and how many answers that is. */
  owed = 0;
  owedCount = 0;

  /** Whether bytes[begin, end) are such a batch, all of it and nothing else. */
  read(bytes: Uint8Array, begin: number, end: number): boolean {
    const bindAt = this.readParse(bytes, begin, end);
    if (bindAt === NO || !this.readBind(bytes, bindAt, end)) return false;
    return this.readRest(bytes, end);
  }

  /** Returns where what follows it begins, which is `at` when there is none. */
  private readParse(bytes: Uint8Array, at: number, end: number): number {
    this.hasParse = byteAt(bytes, at) === Frontend.Parse;
    if (!this.hasParse) return at;
    this.contentAt = at + HEADER_LENGTH + 1;
    this.contentEnd = messageEnd(bytes, at, end);
    return this.contentAt < this.contentEnd && byteAt(bytes, this.contentAt - 1) === 0 ? this.contentEnd : NO;
  }

  private readBind(bytes: Uint8Array, at: number, end: number): boolean {
    this.bodyAt = at + HEADER_LENGTH;
    this.bodyEnd = messageEnd(bytes, at, end);
    this.nameAt = this.bodyAt + 1;
    if (this.bodyEnd <= this.nameAt || byteAt(bytes, at) !== Frontend.Bind) return false;
    if (byteAt(bytes, this.bodyAt) !== 0) return false;
    this.nameEnd = zeroAt(bytes, this.nameAt, this.bodyEnd);
    return this.hasParse ? this.nameEnd === this.nameAt : this.nameEnd !== NO;
  }

  private readRest(bytes: Uint8Array, end: number): boolean {
    const executeAt = end - SYNC_LENGTH - EXECUTE_LENGTH;
    const isDescribed = executeAt - this.bodyEnd === DESCRIBE_LENGTH;
    if (isDescribed ? !isPlainDescribe(bytes, this.bodyEnd) : executeAt !== this.bodyEnd) return false;
    if (!isMessage(bytes, executeAt, Frontend.Execute, EXECUTE_LENGTH)) return false;
    if (byteAt(bytes, executeAt + HEADER_LENGTH) !== 0) return false;
    if (!isMessage(bytes, end - SYNC_LENGTH, Frontend.Sync, SYNC_LENGTH)) return false;
    this.owed = ((isDescribed ? OWED_DESCRIBED : OWED_EXECUTED) << KIND_BITS) | Owed.BindComplete;
    this.owedCount = isDescribed ? 4 : 3;
    if (!this.hasParse) return true;
    this.owed = (this.owed << KIND_BITS) | Owed.SyntheticParseComplete;
    this.owedCount++;
    return true;
  }
}

/** Where the message ends that begins there; NO when it is not all here, or has an impossible length. */
function messageEnd(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < HEADER_LENGTH) return NO;
  const length = int32At(bytes, at + TAG_LENGTH);
  return length < LENGTH_LENGTH || length > end - at - TAG_LENGTH ? NO : at + TAG_LENGTH + length;
}

function isMessage(bytes: Uint8Array, at: number, tag: Frontend, length: number): boolean {
  return byteAt(bytes, at) === tag && int32At(bytes, at + TAG_LENGTH) === length - TAG_LENGTH;
}

function isPlainDescribe(bytes: Uint8Array, at: number): boolean {
  if (!isMessage(bytes, at, Frontend.Describe, DESCRIBE_LENGTH)) return false;
  return byteAt(bytes, at + HEADER_LENGTH) === PORTAL_KIND && byteAt(bytes, at + HEADER_LENGTH + 1) === 0;
}
