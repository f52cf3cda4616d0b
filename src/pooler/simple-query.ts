/** Simple queries that are answered without a server: told by their text, when it is short. */
import { byteAt } from '../wire/bytes.js';

export const enum LocalQuery {
  No,
  /** The configured pooler_check_query. */
  Check,
  Begin,
  Deallocate,
  DeallocateAll,
}

/** A longer text is none of them. Bytes, with the terminating zero. */
const TEXT_MAX = 80;
const SEMICOLON = 0x3b;
const QUOTE = 0x22;

const BEGIN = Buffer.from('begin');
const START_TRANSACTION = Buffer.from('start transaction');
const DEALLOCATE = Buffer.from('deallocate ');
const ALL = Buffer.from('all');

/** What kind of query body[bodyAt, bodyEnd) of a Query is. */
export function localQueryIn(
  bytes: Uint8Array,
  bodyAt: number,
  bodyEnd: number,
  checkQuery: Uint8Array,
): LocalQuery {
  const length = bodyEnd - bodyAt;
  if (length === checkQuery.length && isSame(bytes, bodyAt, checkQuery)) return LocalQuery.Check;
  if (length > TEXT_MAX) return LocalQuery.No;
  // By far most queries are told apart by their first letter.
  const first = lower(byteAt(bytes, bodyAt));
  if (first !== 0x62 /* b */ && first !== 0x73 /* s */ && first !== 0x64 /* d */) return LocalQuery.No;
  const end = textEnd(bytes, bodyAt, bodyEnd);
  if (isText(bytes, bodyAt, end, BEGIN) || isText(bytes, bodyAt, end, START_TRANSACTION))
    return LocalQuery.Begin;
  if (end - bodyAt <= DEALLOCATE.length || !isText(bytes, bodyAt, bodyAt + DEALLOCATE.length, DEALLOCATE)) {
    return LocalQuery.No;
  }
  const nameAt = skipBlanks(bytes, bodyAt + DEALLOCATE.length, end);
  if (isText(bytes, nameAt, end, ALL)) return LocalQuery.DeallocateAll;
  return isOneWord(bytes, nameAt, end) ? LocalQuery.Deallocate : LocalQuery.No;
}

/** The statement's name in a DEALLOCATE, as PostgreSQL reads it: folded to lower case unless quoted. */
export function deallocatedName(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Uint8Array {
  const end = textEnd(bytes, bodyAt, bodyEnd);
  const at = skipBlanks(bytes, bodyAt + DEALLOCATE.length, end);
  if (byteAt(bytes, at) === QUOTE && byteAt(bytes, end - 1) === QUOTE) return bytes.slice(at + 1, end - 1);
  return bytes.slice(at, end).map(lower);
}

/** Where the text ends: without the zero, blanks and semicolons behind it. */
function textEnd(bytes: Uint8Array, bodyAt: number, bodyEnd: number): number {
  let end = bodyEnd - 1;
  while (end > bodyAt && (isBlank(byteAt(bytes, end - 1)) || byteAt(bytes, end - 1) === SEMICOLON)) end--;
  return end;
}

function skipBlanks(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isBlank(byteAt(bytes, at))) at++;
  return at;
}

/** Whether nothing but a name stands there: no second word or statement. */
function isOneWord(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) {
    const byte = byteAt(bytes, at);
    if (isBlank(byte) || byte === SEMICOLON) return false;
  }
  return from < end;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function isText(bytes: Uint8Array, at: number, end: number, expected: Uint8Array): boolean {
  if (end - at !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (lower(byteAt(bytes, at + i)) !== expected[i]) return false;
  return true;
}

function isSame(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}
