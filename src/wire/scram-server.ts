/** The server's side of SCRAM-SHA-256: a client proves to us that it knows its password. RFC 5802, RFC 7677.
 *
 *    client: n,,n=,r=CNONCE               us: r=CNONCE SNONCE,s=SALT,i=ITERATIONS
 *    client: c=biws,r=…,p=PROOF           us: v=SIGNATURE
 *
 *  With TLS the exchange can be bound to the connection (SCRAM-SHA-256-PLUS): the client proves that it sees our
 *  certificate, and not that of somebody in between. The header is then `p=tls-server-end-point,,`, and `c` is that
 *  header with the certificate's hash behind it. A header `y` says: I could, and you did not offer it. Where we did,
 *  somebody has taken the offer away. */
import { timingSafeEqual } from 'node:crypto';
import { AuthenticationFailed, ScramProtocolError, StoredSecretUnusable } from './authentication-errors.js';
import { encodeBase64, putBase64, takeBase64 } from './base64.js';
import { byteAt, equalsAt } from './bytes.js';
import {
  BOUND_HEADER,
  NO_END_POINT,
  SCRAM_KEY_LENGTH,
  SCRAM_SALT_LENGTH_MAX,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramVerifier,
  xorKeys,
} from './scram-verifier.js';

/** Bytes of a message from a client; PostgreSQL has the same limit. */
const MESSAGE_LENGTH_MAX = 1024;
export const MECHANISMS: readonly string[] = [SCRAM_SHA_256];
export const BINDING_MECHANISMS: readonly string[] = [SCRAM_SHA_256_PLUS, SCRAM_SHA_256];
const COMMA = 0x2c;
const EQUALS = 0x3d;
const ZERO = 0x30;
/** Of an attribute's name and the sign behind it. */
const NAME_LENGTH = 2;
/** v= and a signature. */
const FINAL_LENGTH = NAME_LENGTH + Math.ceil(SCRAM_KEY_LENGTH / 3) * 4;
const enum Attribute {
  Name = 0x6e,
  Nonce = 0x72,
  Salt = 0x73,
  Iterations = 0x69,
  Binding = 0x63,
  Proof = 0x70,
  Signature = 0x76,
}
const PLAIN_HEADER = Buffer.from('n,,');
const UNSEEN_HEADER = Buffer.from('y,,');
const BOUND = Buffer.from(BOUND_HEADER);
const NO_BYTES = new Uint8Array(0);
/** The headers in base64: what a client says that does not bind. */
const PLAIN_BINDING = inBase64(PLAIN_HEADER);
const UNSEEN_BINDING = inBase64(UNSEEN_HEADER);

/** Of our first message beside nonce and salt: r= ,s= ,i= and digits, with the comma before it. */
const SERVER_FIRST_MAX = 24;
/** Room for the first two messages of most exchanges. Bytes. */
const DESK_LENGTH = 256;
const DESKS_MAX = 64;
/** Of exchanges that are over, for the next ones: memory for each would cost more than what is written there. */
const desks: Uint8Array[] = [];
/** What is signed is put together here: what the client may have sent in two messages, the nonce of the first once more,
 *  and a salt with what stands around it. */
const signing = new Uint8Array(3 * MESSAGE_LENGTH_MAX + 2 * SCRAM_SALT_LENGTH_MAX);

/** SHA-256 by whoever has it cheapest: a server of many logins does little else. */
export interface ScramHash {
  /** HMAC-SHA-256 of the first `length` bytes. */
  hmac(key: Uint8Array, bytes: Uint8Array, length: number): Uint8Array;
  sha256(bytes: Uint8Array): Uint8Array;
}

const enum Expected {
  ClientFirst,
  ClientFinal,
  Nothing,
}

const fail = (what: string) => new ScramProtocolError(what);

/** Messages are read and made where they lie: of texts each login would leave a dozen behind. */
export class ScramServerExchange {
  private readonly verifier: ScramVerifier;
  private readonly serverNonce: Uint8Array;
  private readonly hash: ScramHash;
  private readonly endPoint: Uint8Array;
  private expected = Expected.ClientFirst;
  /** What the client must say of the binding. */
  private binding: Uint8Array = NO_BYTES;
  /** The client's first message without its header, a comma, and ours. */
  private desk: Uint8Array = NO_BYTES;
  private deskEnd = 0;
  /** The nonce of both within it. */
  private nonceAt = 0;
  private nonceEnd = 0;
  /** Empty until clientFinal has succeeded; then it logs in, as this user, to a server with the same verifier. */
  clientKey: Uint8Array = NO_BYTES;

  /** `nonce` comes from scramNonceBytes and serves one exchange only. For a user that does not exist, mockVerifier makes
   *  an exchange that looks like any other and fails. `endPoint`: what the client may bind the exchange to, the
   *  tls-server-end-point of our certificate. Throws StoredSecretUnusable for keys of a wrong length,
   *  or too long a salt. */
  constructor(
    verifier: ScramVerifier,
    nonce: Uint8Array,
    hash: ScramHash,
    endPoint: Uint8Array = NO_END_POINT,
  ) {
    const { storedKey, serverKey, salt } = verifier;
    const hasKeys = storedKey.length === SCRAM_KEY_LENGTH && serverKey.length === SCRAM_KEY_LENGTH;
    if (!hasKeys || salt.length > SCRAM_SALT_LENGTH_MAX) throw new StoredSecretUnusable();
    if (!isNonce(nonce, 0, nonce.length)) throw new TypeError('a nonce is printable and without commas');
    this.verifier = verifier;
    this.serverNonce = nonce;
    this.hash = hash;
    this.endPoint = endPoint;
  }

  /** What AuthenticationSASL offers, the preferred one first. */
  get mechanisms(): readonly string[] {
    return this.mayBind ? BINDING_MECHANISMS : MECHANISMS;
  }

  /** Whether an exchange that is bound to the connection is offered. */
  get mayBind(): boolean {
    return this.endPoint.length > 0;
  }

  /** Takes the client-first-message of one of our mechanisms, returns the server-first-message, which is lent until
   *  clientFinal. Throws ScramProtocolError. */
  clientFirst(bytes: Uint8Array, mechanism: string = SCRAM_SHA_256): Uint8Array {
    this.step(Expected.ClientFirst);
    checkMessage(bytes);
    const bareAt = mechanism === SCRAM_SHA_256_PLUS ? this.bound(bytes) : this.unbound(bytes);
    const { length } = bytes;
    // PostgreSQL's clients leave it empty: the startup packet has named the user.
    const nameEnd = attributeEnd(bytes, bareAt, length, Attribute.Name);
    const nonceEnd = attributeEnd(bytes, nameEnd + 1, length, Attribute.Nonce); // extensions behind it are optional
    const nonceAt = valueAt(nameEnd + 1);
    if (!isNonce(bytes, nonceAt, nonceEnd)) throw fail('the nonce is malformed');
    const { verifier, serverNonce } = this;
    const { salt, iterations } = verifier;
    const desk = takeDesk(2 * length + serverNonce.length + 2 * salt.length + SERVER_FIRST_MAX);
    let at = put(desk, 0, bytes, bareAt, length);
    desk[at++] = COMMA;
    const begin = at;
    this.nonceAt = putName(desk, at, Attribute.Nonce);
    at = put(desk, this.nonceAt, bytes, nonceAt, nonceEnd);
    this.nonceEnd = put(desk, at, serverNonce, 0, serverNonce.length);
    desk[this.nonceEnd] = COMMA;
    at = putBase64(desk, putName(desk, this.nonceEnd + 1, Attribute.Salt), salt);
    desk[at++] = COMMA;
    at = putNumber(desk, putName(desk, at, Attribute.Iterations), iterations);
    this.desk = desk;
    this.deskEnd = at;
    this.expected = Expected.ClientFinal;
    return desk.subarray(begin, at);
  }

  /** Takes the client-final-message, returns the server-final-message and sets `clientKey`.
   *  Throws ScramProtocolError, or AuthenticationFailed when the proof is wrong. */
  clientFinal(bytes: Uint8Array): Uint8Array {
    this.step(Expected.ClientFinal);
    checkMessage(bytes);
    const end = proofCommaIn(bytes);
    const { desk, hash, verifier } = this;
    this.desk = NO_BYTES;
    giveDeskBack(desk); // whoever takes it next does so when this has returned
    const bindingEnd = attributeEnd(bytes, 0, end, Attribute.Binding);
    if (!isExactly(bytes, valueAt(0), bindingEnd, this.binding, 0, this.binding.length)) {
      throw fail('the channel binding does not match');
    }
    const nonceEnd = attributeEnd(bytes, bindingEnd + 1, end, Attribute.Nonce);
    if (!isExactly(bytes, valueAt(bindingEnd + 1), nonceEnd, desk, this.nonceAt, this.nonceEnd)) {
      throw fail('the nonce does not match');
    }
    const proof = takeBase64(bytes, valueAt(end + 1), bytes.length, SCRAM_KEY_LENGTH);
    if (proof === null) throw fail('the proof is malformed');
    const comma = put(signing, 0, desk, 0, this.deskEnd);
    signing[comma] = COMMA;
    const signedEnd = put(signing, comma + 1, bytes, 0, end);
    const clientKey = xorKeys(proof, hash.hmac(verifier.storedKey, signing, signedEnd));
    if (!timingSafeEqual(hash.sha256(clientKey), verifier.storedKey)) throw new AuthenticationFailed();
    this.clientKey = clientKey;
    const final = new Uint8Array(FINAL_LENGTH);
    const signature = hash.hmac(verifier.serverKey, signing, signedEnd);
    putBase64(final, putName(final, 0, Attribute.Signature), signature);
    return final;
  }

  /** After any failure, and after the end, an exchange takes nothing more: there is one attempt per exchange. */
  private step(expected: Expected): void {
    const isExpected = this.expected === expected;
    this.expected = Expected.Nothing;
    if (!isExpected) throw fail('a message came out of turn');
  }

  /** Where the gs2-header ends: flag, comma, no authorization identity, comma. */
  private unbound(bytes: Uint8Array): number {
    const isUnseen = bytes[0] === UNSEEN_HEADER[0];
    if (bytes[0] === Attribute.Proof && bytes[1] === EQUALS) {
      throw fail('the mechanism is one without channel binding');
    }
    if ((!isUnseen && bytes[0] !== PLAIN_HEADER[0]) || bytes[1] !== COMMA) {
      throw fail('the first message is malformed');
    }
    if (bytes[2] !== COMMA) throw fail('an authorization identity is not supported');
    if (isUnseen && this.mayBind) throw fail('channel binding was offered and the client has not seen it');
    this.binding = isUnseen ? UNSEEN_BINDING : PLAIN_BINDING;
    return PLAIN_HEADER.length;
  }

  /** … of SCRAM-SHA-256-PLUS. */
  private bound(bytes: Uint8Array): number {
    if (!equalsAt(bytes, 0, BOUND)) throw fail('the mechanism wants channel binding: tls-server-end-point');
    this.binding = inBase64(Buffer.concat([BOUND, this.endPoint]));
    return BOUND.length;
  }
}

function takeDesk(length: number): Uint8Array {
  return length > DESK_LENGTH ? new Uint8Array(length) : (desks.pop() ?? new Uint8Array(DESK_LENGTH));
}

function giveDeskBack(desk: Uint8Array): void {
  if (desk.length === DESK_LENGTH && desks.length < DESKS_MAX) desks.push(desk);
}

function inBase64(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.from(encodeBase64(bytes)));
}

/** Throws ScramProtocolError when the message is empty, too long, or contains a zero byte. */
function checkMessage(bytes: Uint8Array): void {
  const { length } = bytes;
  if (length === 0 || length > MESSAGE_LENGTH_MAX) throw fail('a message has an impossible length');
  for (let i = 0; i < length; i++) if (bytes[i] === 0) throw fail('a message contains a zero byte');
}

/** Where an attribute's value begins. */
function valueAt(attributeAt: number): number {
  return attributeAt + NAME_LENGTH;
}

/** Where the attribute that begins at `at` ends, which must have this name. Throws ScramProtocolError. */
function attributeEnd(bytes: Uint8Array, at: number, end: number, name: Attribute): number {
  if (at + 1 >= end || bytes[at] !== name || bytes[at + 1] !== EQUALS) {
    throw fail(`attribute ${String.fromCharCode(name)} is missing`);
  }
  for (let i = at; i < end; i++) if (bytes[i] === COMMA) return i;
  return end;
}

/** Where the comma before the proof stands, the last attribute. Throws ScramProtocolError. */
function proofCommaIn(bytes: Uint8Array): number {
  for (let at = bytes.length - 1 - NAME_LENGTH; at >= 0; at--) {
    if (bytes[at] === COMMA && bytes[at + 1] === Attribute.Proof && bytes[at + 2] === EQUALS) return at;
  }
  throw fail('the proof is missing');
}

/** Printable ASCII without the comma, at least one. */
function isNonce(bytes: Uint8Array, begin: number, end: number): boolean {
  for (let i = begin; i < end; i++) {
    const byte = byteAt(bytes, i);
    if (byte <= 0x20 || byte >= 0x7f || byte === COMMA) return false;
  }
  return begin < end;
}

function isExactly(
  bytes: Uint8Array,
  begin: number,
  end: number,
  others: Uint8Array,
  from: number,
  to: number,
): boolean {
  if (end - begin !== to - from) return false;
  for (let i = begin; i < end; i++) if (bytes[i] !== others[from + i - begin]) return false;
  return true;
}

/** Writes a part of other bytes, and returns where it ends. */
function put(to: Uint8Array, at: number, bytes: Uint8Array, begin: number, end: number): number {
  for (let i = begin; i < end; i++) to[at + i - begin] = byteAt(bytes, i);
  return at + end - begin;
}

function putName(to: Uint8Array, at: number, name: Attribute): number {
  to[at] = name;
  to[at + 1] = EQUALS;
  return at + NAME_LENGTH;
}

/** Writes a number that is not negative in decimal digits. */
function putNumber(to: Uint8Array, at: number, value: number): number {
  const tens = Math.floor(value / 10);
  const end = tens === 0 ? at : putNumber(to, at, tens);
  to[end] = ZERO + (value % 10);
  return end + 1;
}
