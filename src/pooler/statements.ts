/** Prepared statements of a pool: what clients call S_1 is kept once per text and parameter types, under a name that
 *  follows from them, and prepared on whichever server needs it. The name is a keyed hash, so that every worker finds
 *  the same one and nobody outside can guess it. PostgreSQL manual, "Extended Query". */
import { createHash, createHmac } from 'node:crypto';
import {
  byteAt,
  bytesOf,
  charactersAt,
  charactersOf,
  equalsAt,
  putInt32,
  textBetween,
  zeroAt,
} from '../wire/bytes.js';
import { Frontend, HEADER_LENGTH, LENGTH_LENGTH } from '../wire/tags.js';
import { STATEMENT_BYTES_MAX } from './limits.js';
import { deallocatedName, readsSession, SpecialQuery, specialQueryIn } from './simple-query.js';

/** Every name on a server begins so: scripts look for it. */
export const NAME_PREFIX = 'DOORMAN_';
const HASH_BYTES = 16;
/** The share of a full cache that goes at a time. */
const EVICTED_SHARE = 0.1;
const NEVER = -1;
const FAILURES_KEPT_MAX = 1000;
const NO_CHECK_QUERY = new Uint8Array(0);
const NO_NAME = new Uint8Array(0);

/** A name as it stands in messages. */
export function nameBytes(name: string): Uint8Array {
  return Buffer.from(`${name}\0`, 'latin1');
}

/** A statement as servers know it. */
export class Statement {
  /** The name on servers. Follows from the content: a statement that was forgotten and made anew has it again. */
  readonly nameText: string;
  /** … and in bytes, with its terminating zero. */
  readonly name: Uint8Array;
  /** The Parse message that prepares it. */
  readonly parse: Uint8Array;
  /** Query text and parameter types as they stand in a Parse behind its name. */
  readonly content: Uint8Array;
  readonly hash: number;
  /** The next one with the same hash. */
  next: Statement | null = null;
  /** When it was last used, in the pool's count of uses. */
  lastUse = 0;
  /** The cache's epoch in which it may be found for another Parse: see StatementCache.isCurrent. */
  epoch = NEVER;
  /** Of one Parse alone, since what it returns depends on the session. */
  isOwn = false;
  /** How often it was bound. */
  uses = 0;
  /** DEALLOCATE of a name that is a client's, DEALLOCATE ALL, DISCARD ALL. */
  readonly special: SpecialQuery;

  /** `salt`: another one gives the same content another name. */
  constructor(content: Uint8Array, hash: number, key: Uint8Array, salt: string) {
    const digest = createHmac('sha256', key).update(content).update(salt).digest().subarray(0, HASH_BYTES);
    this.nameText = `${NAME_PREFIX}${digest.toString('base64url')}`;
    this.name = nameBytes(this.nameText);
    this.hash = hash;
    const length = this.name.length + content.length;
    this.parse = new Uint8Array(HEADER_LENGTH + length);
    this.parse[0] = Frontend.Parse;
    putInt32(this.parse, 1, length + LENGTH_LENGTH);
    this.parse.set(this.name, HEADER_LENGTH);
    this.parse.set(content, HEADER_LENGTH + this.name.length);
    this.content = this.parse.subarray(HEADER_LENGTH + this.name.length);
    this.special = specialQueryIn(this.content, 0, this.textEnd, NO_CHECK_QUERY);
  }

  /** Behind the zero that ends the query text. */
  private get textEnd(): number {
    return zeroAt(this.content, 0, this.content.length) + 1;
  }

  /** So much of its text. Bytes. */
  beginning(lengthMax: number): string {
    return textUpTo(this.content, Math.min(this.content.length, lengthMax));
  }

  /** The name in a SpecialQuery.Deallocate. */
  get deallocates(): Uint8Array {
    return deallocatedName(this.content, 0, this.textEnd);
  }

  /** Whether bytes[begin, end) of a Parse, behind the name, are this statement's. */
  hasContent(bytes: Uint8Array, begin: number, end: number): boolean {
    return this.content.length === end - begin && equalsAt(bytes, begin, this.content);
  }
}

/** Numbers that all workers of a pool have in common. */
export interface Serials {
  /** One that nobody has got before. */
  nextSerial(): number;
  /** The serial since which what was parsed before is not used any more. */
  readonly epoch: number;
  beginEpoch(): void;
  /** A statement is to be prepared anew under a name with this serial. */
  tellRenewed(content: Uint8Array, serial: number): void;
}

interface Failure {
  /** How often. */
  readonly count: number;
  /** Since the last time it has this in its name. */
  readonly serial: number;
}

/** The statements of one pool, by content. Holds at most so many; those unused for longest go first. Clients and
 *  servers that still use one that went keep it alive, and it is simply found anew. */
export class StatementCache {
  private readonly byHash = new Map<number, Statement>();
  private readonly sizeMax: number;
  private readonly key: Uint8Array;
  private count = 0;
  private bytes = 0;
  private uses = 0;
  private readonly serials: Serials;
  /** Of what is held here; that of the pool may be a later one. */
  private epoch = 0;
  /** Contents that have failed because what they read is not always the same; by a digest of them. */
  private readonly failures = new Map<string, Failure>();

  constructor(sizeMax: number, key: Uint8Array, serials: Serials) {
    this.sizeMax = Math.max(1, sizeMax);
    this.key = key;
    this.serials = serials;
    this.epoch = serials.epoch;
  }

  get size(): number {
    return this.count;
  }

  /** The statement with this content: bytes[begin, end) of a Parse, behind the name. */
  find(bytes: Uint8Array, begin: number, end: number): Statement {
    if (this.epoch !== this.serials.epoch) this.catchUp();
    const hash = hashOf(bytes, begin, end);
    const known = this.known(bytes, begin, end, hash);
    if (known !== null) return this.used(known);
    const content = bytes.subarray(begin, end);
    if (this.dependsOnSession(content)) return this.makeOwn(content, hash);
    const made = this.make(content, hash, this.saltOf(content));
    made.epoch = this.epoch;
    made.next = this.byHash.get(hash) ?? null;
    this.byHash.set(hash, made);
    this.count++;
    this.bytes += made.parse.length;
    if (this.count > this.sizeMax || this.bytes > STATEMENT_BYTES_MAX) this.evict();
    return made;
  }

  /** Whether a Parse of its content finds it. */
  isCurrent({ epoch }: Statement): boolean {
    return epoch === this.serials.epoch;
  }

  /** PostgreSQL does not run it any more as it was prepared: who parses it from now on gets one of another name, and so
   *  has it prepared anew. */
  renew(statement: Statement): void {
    if (!this.isCurrent(statement)) return;
    const serial = this.serials.nextSerial();
    this.countFailure(statement.content, serial);
    this.serials.tellRenewed(statement.content, serial);
    statement.epoch = NEVER;
    this.remove(statement);
  }

  /** … as another worker has found out. */
  wasRenewed(content: Uint8Array, serial: number): void {
    const statement = this.known(content, 0, content.length, hashOf(content, 0, content.length));
    this.countFailure(content, serial);
    if (statement === null) return;
    statement.epoch = NEVER;
    this.remove(statement);
  }

  /** … and so with all of them. */
  renewAll(): void {
    this.serials.beginEpoch();
    this.catchUp();
  }

  private known(bytes: Uint8Array, begin: number, end: number, hash: number): Statement | null {
    for (let each = this.byHash.get(hash) ?? null; each !== null; each = each.next) {
      if (each.hasContent(bytes, begin, end)) return each;
    }
    return null;
  }

  private catchUp(): void {
    this.epoch = this.serials.epoch;
    this.byHash.clear();
    this.count = 0;
    this.bytes = 0;
  }

  /** Nobody else gets it, and nobody twice. */
  private makeOwn(content: Uint8Array, hash: number): Statement {
    const made = this.make(content, hash, `own ${this.serials.nextSerial()}`);
    made.isOwn = true;
    return made;
  }

  private make(content: Uint8Array, hash: number, salt: string): Statement {
    return this.used(new Statement(content, hash, this.key, salt));
  }

  /** The same in every worker, unless the statement was renewed here. */
  private saltOf(content: Uint8Array): string {
    const renewed = this.failures.size === 0 ? undefined : this.failures.get(digestOf(content))?.serial;
    if (renewed !== undefined && renewed > this.epoch) return String(renewed);
    return this.epoch === 0 ? '' : String(this.epoch);
  }

  private countFailure(content: Uint8Array, serial: number): void {
    if (this.failures.size >= FAILURES_KEPT_MAX) this.failures.clear();
    const digest = digestOf(content);
    const count = (this.failures.get(digest)?.count ?? 0) + 1;
    this.failures.set(digest, { count, serial });
  }

  /** Whether its columns depend on what the session has: cursors, statements of SQL; or temporary tables or a
   *  search_path, which shows when it has failed for that more than once. */
  private dependsOnSession(content: Uint8Array): boolean {
    if (readsSession(content)) return true;
    return this.failures.size > 0 && (this.failures.get(digestOf(content))?.count ?? 0) > 1;
  }

  used(statement: Statement): Statement {
    statement.lastUse = ++this.uses;
    return statement;
  }

  /** Rare, so it may look at all of them; a tenth goes at once to keep it rare. */
  private evict(): void {
    const bytesKept = STATEMENT_BYTES_MAX * (1 - EVICTED_SHARE);
    let quota = Math.max(1, Math.floor(this.count * EVICTED_SHARE));
    for (const each of this.all().sort((a, b) => a.lastUse - b.lastUse)) {
      if (quota-- <= 0 && this.bytes <= bytesKept) return;
      if (this.count > 1) this.remove(each); // the newest is in use, however long it is
    }
  }

  /** Those that may be found, in no order. */
  all(): Statement[] {
    return [...this.byHash.values()].flatMap((first) => chain(first));
  }

  /** Does nothing to one that went before. */
  private remove(statement: Statement): void {
    const all = chain(this.byHash.get(statement.hash) ?? null);
    const rest = all.filter((each) => each !== statement);
    if (rest.length === all.length) return;
    this.count--;
    this.bytes -= statement.parse.length;
    if (rest.length === 0) this.byHash.delete(statement.hash);
    else this.byHash.set(statement.hash, linked(rest));
  }
}

/** What one client calls its statements. Where there is a limit the names stand in a list in the order of use, so that
 *  the one that was unused for longest is at hand. */
export class StatementNames {
  private readonly byHash = new Map<number, Named>();
  private readonly sizeMax: number;
  private count = 0;
  /** What the empty name stands for: by far the commonest. It does not count. */
  private unnamed: Statement | null = null;
  private newest: Named | null = null;
  private oldest: Named | null = null;
  /** Whether names were forgotten for want of room. */
  hasForgotten = false;

  /** sizeMax 0: without limit. */
  constructor(sizeMax: number) {
    this.sizeMax = sizeMax;
  }

  get size(): number {
    return this.count;
  }

  /** Names and contents; in the order of use where it is kept. */
  all(): { readonly name: Uint8Array; readonly content: Uint8Array }[] {
    const named = this.sizeMax === 0 ? [...this.byHash.values()].flatMap(chain) : this.inOrder();
    const all = named.map(({ name, statement }) => ({ name: bytesOf(name), content: statement.content }));
    return this.unnamed === null ? all : [...all, { name: NO_NAME, content: this.unnamed.content }];
  }

  /** The statement that the client calls bytes[begin, end), null when there is none. */
  get(bytes: Uint8Array, begin: number, end: number): Statement | null {
    if (begin === end) return this.unnamed;
    const named = this.find(bytes, begin, end, hashOf(bytes, begin, end));
    if (named === null) return null;
    this.used(named);
    return named.statement;
  }

  /** From now on the name stands for this statement. With too many of them, the one unused for longest is forgotten. */
  set(bytes: Uint8Array, begin: number, end: number, statement: Statement): void {
    if (begin === end) {
      this.unnamed = statement;
      return;
    }
    const hash = hashOf(bytes, begin, end);
    const known = this.find(bytes, begin, end, hash);
    if (known !== null) {
      known.statement = statement;
      this.used(known);
      return;
    }
    const name = charactersOf(bytes, begin, end);
    const made = new Named(name, hash, statement, this.byHash.get(hash) ?? null);
    this.byHash.set(hash, made);
    this.count++;
    this.used(made);
    if (this.sizeMax === 0 || this.count <= this.sizeMax || this.oldest === null) return;
    this.hasForgotten = true;
    this.remove(this.oldest);
  }

  /** Returns whether there was one. */
  delete(bytes: Uint8Array, begin: number, end: number): boolean {
    if (begin === end) {
      const wasThere = this.unnamed !== null;
      this.unnamed = null;
      return wasThere;
    }
    const named = this.find(bytes, begin, end, hashOf(bytes, begin, end));
    if (named !== null) this.remove(named);
    return named !== null;
  }

  clear(): void {
    this.byHash.clear();
    this.unnamed = null;
    this.newest = null;
    this.oldest = null;
    this.count = 0;
    this.hasForgotten = false;
  }

  private inOrder(): Named[] {
    const all: Named[] = [];
    for (let each = this.oldest; each !== null; each = each.newer) all.push(each);
    return all;
  }

  private find(bytes: Uint8Array, begin: number, end: number, hash: number): Named | null {
    for (let each = this.byHash.get(hash) ?? null; each !== null; each = each.next) {
      if (each.name.length === end - begin && charactersAt(bytes, begin, each.name)) return each;
    }
    return null;
  }

  private remove(named: Named): void {
    const { hash } = named;
    let before: Named | null = null;
    for (let each = this.byHash.get(hash) ?? null; each !== null && each !== named; each = each.next)
      before = each;
    if (before !== null) before.next = named.next;
    else if (named.next !== null) this.byHash.set(hash, named.next);
    else this.byHash.delete(hash);
    this.count--;
    this.unlink(named);
  }

  /** Without a limit nothing is forgotten, and the order is not kept. */
  private used(named: Named): void {
    if (this.sizeMax === 0 || named === this.newest) return;
    this.unlink(named);
    named.older = this.newest;
    if (this.newest === null) this.oldest = named;
    else this.newest.newer = named;
    this.newest = named;
  }

  /** Does nothing to one that does not stand in the list. */
  private unlink(named: Named): void {
    const { older, newer } = named;
    if (older !== null) older.newer = newer;
    else if (this.oldest === named) this.oldest = newer;
    if (newer !== null) newer.older = older;
    else if (this.newest === named) this.newest = older;
    named.older = null;
    named.newer = null;
  }
}

class Named {
  readonly name: string;
  readonly hash: number;
  statement: Statement;
  /** The next one with the same hash. */
  next: Named | null;
  /** Neighbours in the order of use. */
  older: Named | null = null;
  newer: Named | null = null;

  constructor(name: string, hash: number, statement: Statement, next: Named | null) {
    this.name = name;
    this.hash = hash;
    this.statement = statement;
    this.next = next;
  }
}

/** The text at the front of so many bytes, up to its zero. A character that was cut is left out. */
export function textUpTo(bytes: Uint8Array, length: number): string {
  const zero = zeroAt(bytes, 0, length);
  return textBetween(bytes, 0, zero < 0 ? length : zero).replace(/\ufffd$/, '');
}

function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('base64');
}

/** FNV-1a over the bytes with a final mix: to find a place in a table, not to tell two contents apart. */
function hashOf(bytes: Uint8Array, begin: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = begin; at < end; at++) hash = Math.imul(hash ^ byteAt(bytes, at), 0x01000193);
  hash ^= hash >>> 15;
  return hash >> 1; // a small integer in V8: no allocation as a key
}

function chain<T extends { next: T | null }>(first: T | null): T[] {
  const all: T[] = [];
  for (let each = first; each !== null; each = each.next) all.push(each);
  return all;
}

function linked(statements: Statement[]): Statement {
  const [first, ...rest] = statements;
  if (first === undefined) throw new RangeError('nothing to link');
  first.next = rest.length === 0 ? null : linked(rest);
  return first;
}
