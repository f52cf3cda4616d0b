/** The commonest answer of all, told in one pass over it, where the general way would take a decision for each of its
 *  messages: rows, one CommandComplete of a command that leaves nothing behind in its session, and ReadyForQuery. */
import { byteAt, int32At } from '../wire/bytes.js';
import { Backend, HEADER_LENGTH, LENGTH_LENGTH, TAG_LENGTH, TransactionStatus } from '../wire/tags.js';

const READY_LENGTH = HEADER_LENGTH + 1;
const S = 0x53;
const L = 0x4c;
const I = 0x49;
const U = 0x55;
const D = 0x44;
const E = 0x45;

/** Whether bytes[begin, end) are such an answer as a whole, outside of a transaction. */
export function isPlainAnswer(bytes: Uint8Array, begin: number, end: number): boolean {
  const readyAt = end - READY_LENGTH;
  if (readyAt < begin || byteAt(bytes, readyAt) !== Backend.ReadyForQuery) return false;
  if (byteAt(bytes, end - 1) !== TransactionStatus.Idle) return false;
  for (let at = begin; at < readyAt; ) {
    const tag = byteAt(bytes, at);
    const length = int32At(bytes, at + TAG_LENGTH);
    if (length < LENGTH_LENGTH || length > readyAt - at - TAG_LENGTH) return false;
    const next = at + TAG_LENGTH + length;
    if (tag === Backend.CommandComplete) {
      return next === readyAt && leavesNothing(bytes, at + HEADER_LENGTH) && isReady(bytes, readyAt);
    }
    if (tag !== Backend.RowDescription && tag !== Backend.DataRow) return false;
    at = next;
  }
  return false;
}

/** Tags of SELECT, INSERT, UPDATE and DELETE: no other of PostgreSQL's begins so. */
function leavesNothing(bytes: Uint8Array, at: number): boolean {
  const first = byteAt(bytes, at);
  if (first === S) return byteAt(bytes, at + 2) === L; // and not SET
  return (
    first === I || first === U || (first === D && byteAt(bytes, at + 2) === L && byteAt(bytes, at + 3) === E)
  );
}

function isReady(bytes: Uint8Array, at: number): boolean {
  return int32At(bytes, at + TAG_LENGTH) === READY_LENGTH - TAG_LENGTH;
}
