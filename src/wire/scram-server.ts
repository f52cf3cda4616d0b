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
import { decodeBase64, encodeBase64 } from './base64.js';
import { isNonce, ScramMessageReader, scramBytes, scramText } from './scram-message.js';
import {
  BOUND_HEADER,
  NO_END_POINT,
  SCRAM_KEY_LENGTH,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramVerifier,
  xorKeys,
} from './scram-verifier.js';

/** Bytes of a message from a client; PostgreSQL has the same limit. */
const MESSAGE_LENGTH_MAX = 1024;
const PROOF_ATTRIBUTE = ',p=';
export const MECHANISMS: readonly string[] = [SCRAM_SHA_256];
export const BINDING_MECHANISMS: readonly string[] = [SCRAM_SHA_256_PLUS, SCRAM_SHA_256];
const NO_KEY = new Uint8Array(0);

/** SHA-256 by whoever has it cheapest: a server of many logins does little else. */
export interface ScramHash {
  /** HMAC-SHA-256 of a text that has one character for each byte. */
  hmac(key: Uint8Array, text: string): Uint8Array;
  sha256(bytes: Uint8Array): Uint8Array;
}

const enum Expected {
  ClientFirst,
  ClientFinal,
  Nothing,
}

const fail = (what: string) => new ScramProtocolError(what);
const reader = new ScramMessageReader(fail);

export class ScramServerExchange {
  private readonly verifier: ScramVerifier;
  private readonly serverNonce: string;
  private readonly hash: ScramHash;
  private readonly endPoint: Uint8Array;
  private expected = Expected.ClientFirst;
  private header = '';
  private clientFirstBare = '';
  private serverFirst = '';
  private nonce = '';
  /** Empty until clientFinal has succeeded; then it logs in, as this user, to a server with the same verifier. */
  clientKey: Uint8Array = NO_KEY;

  /** `nonce` comes from scramNonce and serves one exchange only. For a user that does not exist, mockVerifier makes
   *  an exchange that looks like any other and fails. `endPoint`: what the client may bind the exchange to, the
   *  tls-server-end-point of our certificate. Throws StoredSecretUnusable for keys of a wrong length. */
  constructor(verifier: ScramVerifier, nonce: string, hash: ScramHash, endPoint: Uint8Array = NO_END_POINT) {
    const { storedKey, serverKey } = verifier;
    if (storedKey.length !== SCRAM_KEY_LENGTH || serverKey.length !== SCRAM_KEY_LENGTH) {
      throw new StoredSecretUnusable();
    }
    if (!isNonce(nonce)) throw new TypeError('a nonce is printable and without commas');
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

  /** Takes the client-first-message of one of our mechanisms, returns the server-first-message.
   *  Throws ScramProtocolError. */
  clientFirst(bytes: Uint8Array, mechanism: string = SCRAM_SHA_256): Uint8Array {
    this.step(Expected.ClientFirst);
    const text = scramText(bytes, MESSAGE_LENGTH_MAX, fail);
    this.header = mechanism === SCRAM_SHA_256_PLUS ? readBoundHeader(text) : readHeader(text, this.mayBind);
    this.clientFirstBare = text.slice(this.header.length);
    reader.begin(this.clientFirstBare);
    reader.take('n'); // PostgreSQL's clients leave it empty: the startup packet has named the user
    const clientNonce = reader.take('r'); // extensions behind it are optional by their nature
    if (!isNonce(clientNonce)) throw fail('the nonce is malformed');
    this.nonce = clientNonce + this.serverNonce;
    this.serverFirst = `r=${this.nonce},s=${encodeBase64(this.verifier.salt)},i=${this.verifier.iterations}`;
    this.expected = Expected.ClientFinal;
    return scramBytes(this.serverFirst);
  }

  /** Takes the client-final-message, returns the server-final-message and sets `clientKey`.
   *  Throws ScramProtocolError, or AuthenticationFailed when the proof is wrong. */
  clientFinal(bytes: Uint8Array): Uint8Array {
    this.step(Expected.ClientFinal);
    const text = scramText(bytes, MESSAGE_LENGTH_MAX, fail);
    const proofAt = text.lastIndexOf(PROOF_ATTRIBUTE);
    if (proofAt === -1) throw fail('the proof is missing');
    const withoutProof = text.slice(0, proofAt);
    reader.begin(withoutProof);
    if (reader.take('c') !== this.bindingInput()) throw fail('the channel binding does not match');
    if (reader.take('r') !== this.nonce) throw fail('the nonce does not match');
    const proof = decodeBase64(text.slice(proofAt + PROOF_ATTRIBUTE.length));
    if (proof === null || proof.length !== SCRAM_KEY_LENGTH) throw fail('the proof is malformed');
    const { hash, verifier } = this;
    const signed = `${this.clientFirstBare},${this.serverFirst},${withoutProof}`;
    const clientKey = xorKeys(proof, hash.hmac(verifier.storedKey, signed));
    if (!timingSafeEqual(hash.sha256(clientKey), verifier.storedKey)) throw new AuthenticationFailed();
    this.clientKey = clientKey;
    return scramBytes(`v=${encodeBase64(hash.hmac(verifier.serverKey, signed))}`);
  }

  /** After any failure, and after the end, an exchange takes nothing more: there is one attempt per exchange. */
  private step(expected: Expected): void {
    const isExpected = this.expected === expected;
    this.expected = Expected.Nothing;
    if (!isExpected) throw fail('a message came out of turn');
  }

  private bindingInput(): string {
    const header = scramBytes(this.header);
    return encodeBase64(this.header === BOUND_HEADER ? Buffer.concat([header, this.endPoint]) : header);
  }
}

/** The gs2-header: flag, comma, no authorization identity, comma. */
function readHeader(text: string, mayBind: boolean): string {
  if (text.startsWith('p=')) throw fail('the mechanism is one without channel binding');
  if (!text.startsWith('n,') && !text.startsWith('y,')) throw fail('the first message is malformed');
  if (text[2] !== ',') throw fail('an authorization identity is not supported');
  if (text[0] === 'y' && mayBind) throw fail('channel binding was offered and the client has not seen it');
  return text.slice(0, 3);
}

/** … of SCRAM-SHA-256-PLUS. */
function readBoundHeader(text: string): string {
  if (!text.startsWith(BOUND_HEADER)) throw fail('the mechanism wants channel binding: tls-server-end-point');
  return BOUND_HEADER;
}
