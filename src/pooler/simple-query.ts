/** Simple queries that are answered without a server, or after which it has forgotten what was prepared: told by their
 *  text, when it is short. */
import { byteAt, copyOf } from '../wire/bytes.js';

export const enum SpecialQuery {
  No,
  /** The configured pooler_check_query. */
  Check,
  Begin,
  StartTransaction,
  Deallocate,
  DeallocateAll,
  DiscardAll,
}

/** Whether everything that was prepared is gone afterwards. */
export function discardsAll(special: SpecialQuery): boolean {
  return special === SpecialQuery.DiscardAll || special === SpecialQuery.DeallocateAll;
}

/** A longer text is none of them. Bytes, with the terminating zero. */
export const SPECIAL_QUERY_MAX = 80;
const SEMICOLON = 0x3b;
const SLASH = 0x2f;
const STAR = 0x2a;
const QUOTE = 0x22;
const UNDERSCORE = 0x5f;
const DOLLAR = 0x24;

const BEGIN = Buffer.from('begin');
const START_TRANSACTION = Buffer.from('start transaction');
const DEALLOCATE = Buffer.from('deallocate');
const PREPARE = Buffer.from('prepare');
const ALL = Buffer.from('all');
const FETCH = Buffer.from('fetch');
const EXECUTE = Buffer.from('execute');
const DISCARD = Buffer.from('discard');

/** What kind of query body[bodyAt, bodyEnd) of a Query is. */
export function specialQueryIn(
  bytes: Uint8Array,
  bodyAt: number,
  bodyEnd: number,
  checkQuery: Uint8Array,
): SpecialQuery {
  const length = bodyEnd - bodyAt;
  if (length === checkQuery.length && isSame(bytes, bodyAt, checkQuery)) return SpecialQuery.Check;
  if (length === 0 || length > SPECIAL_QUERY_MAX) return SpecialQuery.No;
  const at = textBegin(bytes, bodyAt, bodyEnd);
  // By far most queries are told apart by their first letter.
  const first = lower(byteAt(bytes, at));
  if (first !== 0x62 /* b */ && first !== 0x73 /* s */ && first !== 0x64 /* d */) return SpecialQuery.No;
  if (byteAt(bytes, bodyEnd - 1) !== 0) return SpecialQuery.No; // malformed: PostgreSQL says so
  const end = textEnd(bytes, at, bodyEnd);
  if (isText(bytes, at, end, BEGIN)) return SpecialQuery.Begin;
  if (isText(bytes, at, end, START_TRANSACTION)) return SpecialQuery.StartTransaction;
  const discardedAt = behindWord(bytes, at, end, DISCARD);
  if (discardedAt >= 0)
    return isText(bytes, discardedAt, end, ALL) ? SpecialQuery.DiscardAll : SpecialQuery.No;
  const nameAt = deallocatedNameAt(bytes, at, end);
  if (nameAt < 0) return SpecialQuery.No;
  if (isText(bytes, nameAt, end, ALL)) return SpecialQuery.DeallocateAll;
  return isName(bytes, nameAt, end) ? SpecialQuery.Deallocate : SpecialQuery.No;
}

/** Whether the text returns what a cursor or a statement of SQL has: FETCH and EXECUTE. PostgreSQL looks at those once,
 *  when such a text is parsed. */
export function readsSession(text: Uint8Array): boolean {
  const at = textBegin(text, 0, text.length);
  return behindWord(text, at, text.length, FETCH) >= 0 || behindWord(text, at, text.length, EXECUTE) >= 0;
}

/** The statement's name in what is known to be a SpecialQuery.Deallocate, as PostgreSQL reads it: folded to lower case
 *  unless quoted. A copy. */
export function deallocatedName(bytes: Uint8Array, bodyAt: number, bodyEnd: number): Uint8Array {
  const begin = textBegin(bytes, bodyAt, bodyEnd);
  const end = textEnd(bytes, begin, bodyEnd);
  const at = deallocatedNameAt(bytes, begin, end);
  if (byteAt(bytes, at) !== QUOTE) return copyOf(bytes, at, end).map(lower);
  const name = copyOf(bytes, at + 1, end - 1);
  let length = 0;
  for (let i = 0; i < name.length; i++) {
    if (byteAt(name, i) === QUOTE) i++; // of two quotes one belongs to the name
    name[length++] = byteAt(name, i);
  }
  return name.subarray(0, length);
}

/** Where the text begins: behind blanks and comments. */
function textBegin(bytes: Uint8Array, bodyAt: number, bodyEnd: number): number {
  let at = bodyAt;
  for (;;) {
    while (isBlank(byteAt(bytes, at))) at++;
    if (byteAt(bytes, at) !== SLASH || byteAt(bytes, at + 1) !== STAR) return at;
    at += 2;
    while (byteAt(bytes, at) !== STAR || byteAt(bytes, at + 1) !== SLASH) {
      if (at >= bodyEnd || byteAt(bytes, at) === 0) return bodyAt; // it has no end, and so no text behind it
      at++;
    }
    at += 2;
  }
}

/** Where the text ends: without the zero, blanks and semicolons behind it. */
function textEnd(bytes: Uint8Array, bodyAt: number, bodyEnd: number): number {
  let end = bodyEnd - 1;
  while (end > bodyAt && (isBlank(byteAt(bytes, end - 1)) || byteAt(bytes, end - 1) === SEMICOLON)) end--;
  return end;
}

/** Where the name, or ALL, stands in DEALLOCATE [PREPARE] name; -1 in another text. */
function deallocatedNameAt(bytes: Uint8Array, at: number, end: number): number {
  const behindDeallocate = behindWord(bytes, at, end, DEALLOCATE);
  if (behindDeallocate < 0) return -1;
  const behindPrepare = behindWord(bytes, behindDeallocate, end, PREPARE);
  return behindPrepare < 0 ? behindDeallocate : behindPrepare;
}

/** Where the next word begins when this one and another stand there; else -1. */
function behindWord(bytes: Uint8Array, at: number, end: number, word: Uint8Array): number {
  const wordEnd = at + word.length;
  if (wordEnd >= end || !isText(bytes, at, wordEnd, word)) return -1;
  let next = wordEnd;
  while (next < end && isBlank(byteAt(bytes, next))) next++;
  return next > wordEnd || byteAt(bytes, next) === QUOTE ? next : -1;
}

/** Whether nothing but one name stands there, with or without quotes. PostgreSQL manual, "Identifiers and Key Words". */
function isName(bytes: Uint8Array, from: number, end: number): boolean {
  if (byteAt(bytes, from) === QUOTE) return isQuotedName(bytes, from, end);
  for (let at = from; at < end; at++) if (!isNameByte(byteAt(bytes, at), at === from)) return false;
  return from < end;
}

function isQuotedName(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from + 1;
  for (; at < end; at++) {
    const byte = byteAt(bytes, at);
    if (byte === 0) return false;
    if (byte !== QUOTE) continue;
    if (at + 1 >= end || byteAt(bytes, at + 1) !== QUOTE) break;
    at++; // two of them are one in the name
  }
  return at === end - 1 && at > from + 1;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function isNameByte(byte: number, isFirst: boolean): boolean {
  const letter = lower(byte);
  if ((letter >= 0x61 && letter <= 0x7a) || byte === UNDERSCORE || byte >= 0x80) return true;
  return !isFirst && ((byte >= 0x30 && byte <= 0x39) || byte === DOLLAR);
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
