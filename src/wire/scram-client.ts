/** The client's side of SCRAM-SHA-256: we prove to PostgreSQL that we have a user's keys, and it proves to us that it
 *  knows the user. The messages: scram-server.ts. RFC 5802, RFC 7677. */
import { timingSafeEqual } from 'node:crypto';
import { decodeBase64, encodeBase64 } from './base64.js';
import { isNonce, ScramMessageReader, scramBytes, scramText } from './scram-message.js';
import {
  BOUND_HEADER,
  hmac,
  NO_END_POINT,
  SCRAM_ITERATIONS_MAX,
  SCRAM_KEY_LENGTH,
  SCRAM_SALT_LENGTH_MAX,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramKeys,
  storedKeyOf,
  xorKeys,
} from './scram-verifier.js';

/** Bytes of a message from a server: room for the longest salt in base64, and as much again. */
const MESSAGE_LENGTH_MAX = 4096;

const enum Expected {
  ServerFirst,
  Keys,
  ServerFinal,
  /** It has proved that it knows the user. */
  NothingMore,
  Nothing,
}

/** The server broke the exchange, or is not who it should be. The text goes behind the server's address. */
export class ScramExchangeBroken extends Error {
  override readonly name = 'ScramExchangeBroken';
  constructor(what: string) {
    super(`broke the SCRAM exchange: ${what}`);
  }
}

const fail = (what: string) => new ScramExchangeBroken(what);
const reader = new ScramMessageReader(fail);

export class ScramClientExchange {
  /** Of the two that there are, the one that it is. */
  readonly mechanism: string;
  private readonly header: string;
  private readonly boundTo: Uint8Array;
  private readonly clientNonce: string;
  private readonly clientFirstBare: string;
  private expected = Expected.ServerFirst;
  private serverFirstText = '';
  private nonce = '';
  private serverSignature: Uint8Array = new Uint8Array(0);

  /** `nonce` comes from scramNonce and serves one exchange only. `endPoint`: what it can be bound to, the
   *  tls-server-end-point of the server's certificate; it is, when the server offers SCRAM-SHA-256-PLUS. Else the
   *  header y tells the server that we could: one whose offer was taken away then knows it. */
  constructor(nonce: string, endPoint: Uint8Array = NO_END_POINT, isPlusOffered = false) {
    if (!isNonce(nonce)) throw new TypeError('a nonce is printable and without commas');
    const isBound = isPlusOffered && endPoint.length > 0;
    this.mechanism = isBound ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256;
    this.header = isBound ? BOUND_HEADER : endPoint.length > 0 ? 'y,,' : 'n,,';
    this.boundTo = isBound ? endPoint : NO_END_POINT;
    this.clientNonce = nonce;
    this.clientFirstBare = `n=,r=${nonce}`; // PostgreSQL takes the user from the startup packet
  }

  /** The client-first-message, for SASLInitialResponse. */
  clientFirst(): Uint8Array {
    return scramBytes(this.header + this.clientFirstBare);
  }

  /** Takes the server-first-message; returns what deriveScramKeys wants. For passthrough both must be those of the
   *  verifier, or the keys are others. Throws ScramExchangeBroken. */
  serverFirst(bytes: Uint8Array): { readonly salt: Uint8Array; readonly iterations: number } {
    this.step(Expected.ServerFirst);
    this.serverFirstText = scramText(bytes, MESSAGE_LENGTH_MAX, fail);
    reader.begin(this.serverFirstText);
    this.nonce = readNonce(reader.take('r'), this.clientNonce);
    const salt = readSalt(reader.take('s'));
    const iterations = readIterations(reader.take('i'));
    this.expected = Expected.Keys;
    return { salt, iterations };
  }

  /** The client-final-message, for SASLResponse. Throws TypeError for keys that are none: ours, not a peer's. */
  clientFinal(keys: ScramKeys): Uint8Array {
    this.step(Expected.Keys);
    if (keys.clientKey.length !== SCRAM_KEY_LENGTH || keys.serverKey.length !== SCRAM_KEY_LENGTH) {
      throw new TypeError(`a SCRAM key has ${SCRAM_KEY_LENGTH} bytes`);
    }
    const binding = encodeBase64(Buffer.concat([scramBytes(this.header), this.boundTo]));
    const withoutProof = `c=${binding},r=${this.nonce}`;
    const signed = scramBytes(`${this.clientFirstBare},${this.serverFirstText},${withoutProof}`);
    const proof = xorKeys(keys.clientKey, hmac(storedKeyOf(keys.clientKey), signed));
    this.serverSignature = hmac(keys.serverKey, signed);
    this.expected = Expected.ServerFinal;
    return scramBytes(`${withoutProof},p=${encodeBase64(proof)}`);
  }

  /** Takes the server-final-message. Returns when the server has proved that it knows the user, else throws
   *  ScramExchangeBroken: it is not the server that it should be, and gets no query. */
  serverFinal(bytes: Uint8Array): void {
    this.step(Expected.ServerFinal);
    const text = scramText(bytes, MESSAGE_LENGTH_MAX, fail);
    if (text.startsWith('e=')) throw fail('the server reports an error');
    const signature = decodeBase64(reader.begin(text).take('v'));
    if (signature === null || signature.length !== SCRAM_KEY_LENGTH) throw fail('the signature is malformed');
    if (!timingSafeEqual(signature, this.serverSignature)) throw fail('the signature does not match');
    this.expected = Expected.NothingMore;
  }

  /** Whether the server has proved that it knows the user. */
  get isOver(): boolean {
    return this.expected === Expected.NothingMore;
  }

  /** After any failure, and after the end, an exchange takes nothing more. */
  private step(expected: Expected): void {
    const isExpected = this.expected === expected;
    this.expected = Expected.Nothing;
    if (!isExpected) throw fail('a message came out of turn');
  }
}

function readNonce(nonce: string, clientNonce: string): string {
  if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length || !isNonce(nonce)) {
    throw fail('the nonce does not continue ours');
  }
  return nonce;
}

function readSalt(text: string): Uint8Array {
  const salt = decodeBase64(text);
  if (salt === null || salt.length === 0 || salt.length > SCRAM_SALT_LENGTH_MAX) {
    throw fail('the salt is malformed');
  }
  return salt;
}

function readIterations(text: string): number {
  const iterations = /^[1-9][0-9]{0,6}$/.test(text) ? Number(text) : 0;
  if (iterations === 0 || iterations > SCRAM_ITERATIONS_MAX) {
    throw fail(`the iteration count is not within 1 to ${SCRAM_ITERATIONS_MAX}`);
  }
  return iterations;
}
