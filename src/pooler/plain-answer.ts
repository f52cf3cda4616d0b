/** The commonest answers of all, told in one pass over them, where the general way would take a decision for each of
 *  their messages: a Query's or a batch's, whole, of commands that leave nothing behind in their session. */
import { byteAt, int32At } from '../wire/bytes.js';
import { Backend, HEADER_LENGTH, LENGTH_LENGTH, TAG_LENGTH, TransactionStatus } from '../wire/tags.js';
import { KIND_BITS, KIND_MASK, Owed } from './answer-queue.js';

const READY_LENGTH = HEADER_LENGTH + 1;
const S = 0x53;
const L = 0x4c;
const I = 0x49;
const U = 0x55;
const D = 0x44;
const E = 0x45;

/** Whether bytes[begin, end) answer all that is owed (AnswerQueue.packed) and end outside of a transaction. */
export function isPlainAnswer(bytes: Uint8Array, begin: number, end: number, packed: number): boolean {
  const readyAt = end - READY_LENGTH;
  if (readyAt < begin || byteAt(bytes, readyAt) !== Backend.ReadyForQuery) return false;
  if (byteAt(bytes, end - 1) !== TransactionStatus.Idle) return false;
  let owed = packed;
  let at = begin;
  while (at < readyAt) {
    const length = int32At(bytes, at + TAG_LENGTH);
    if (length < LENGTH_LENGTH || length > readyAt - at - TAG_LENGTH) return false;
    const step = stepOf((owed & KIND_MASK) as Owed, bytes, at);
    if (step === Step.Unusual) return false;
    if (step === Step.Answered) owed >>>= KIND_BITS;
    at += TAG_LENGTH + length;
  }
  const isReady = int32At(bytes, readyAt + TAG_LENGTH) === READY_LENGTH - TAG_LENGTH;
  return isReady && (owed === Owed.Sync || owed === Owed.Query);
}

const enum Step {
  /** The message belongs to the answer, and more of it follows. */
  GoesOn,
  Answered,
  /** The general way must look at it. */
  Unusual,
}

function stepOf(kind: Owed, bytes: Uint8Array, at: number): Step {
  const tag = byteAt(bytes, at);
  switch (kind) {
    case Owed.Query:
      if (tag === Backend.DataRow || tag === Backend.RowDescription) return Step.GoesOn;
      return tag === Backend.CommandComplete && leavesNothing(bytes, at) ? Step.GoesOn : Step.Unusual;
    case Owed.ExecuteResult:
      if (tag === Backend.DataRow) return Step.GoesOn;
      return tag === Backend.CommandComplete && leavesNothing(bytes, at) ? Step.Answered : Step.Unusual;
    case Owed.BindComplete:
      return tag === Backend.BindComplete ? Step.Answered : Step.Unusual;
    case Owed.StatementDescription:
      if (tag === Backend.ParameterDescription) return Step.GoesOn;
      return tag === Backend.RowDescription || tag === Backend.NoData ? Step.Answered : Step.Unusual;
    case Owed.PortalDescription:
      return tag === Backend.RowDescription || tag === Backend.NoData ? Step.Answered : Step.Unusual;
    default:
      return Step.Unusual;
  }
}

/** CommandComplete of SELECT, INSERT, UPDATE and DELETE: no other tag of PostgreSQL's that matters begins so. */
function leavesNothing(bytes: Uint8Array, at: number): boolean {
  const first = byteAt(bytes, at + HEADER_LENGTH);
  const third = byteAt(bytes, at + HEADER_LENGTH + 2);
  if (first === S) return third === L; // and not SET
  if (first === D) return third === L && byteAt(bytes, at + HEADER_LENGTH + 3) === E;
  return first === I || first === U;
}
