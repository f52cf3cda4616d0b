/** The keys of SCRAM-SHA-256 and the verifier that a server stores in place of a password. The exchanges that use
 *  them: scram-server.ts, scram-client.ts. RFC 5802 section 3, RFC 7677.
 *
 *    SaltedPassword = PBKDF2(password, salt, iterations)
 *    ClientKey = HMAC(SaltedPassword, "Client Key")     StoredKey = SHA-256(ClientKey)
 *    ServerKey = HMAC(SaltedPassword, "Server Key")                                        */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { encodeBase64, putBase64 } from './base64.js';
import { byteAt } from './bytes.js';

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';
/** … with channel binding. */
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS';
/** The gs2-header of an exchange that is bound to its TLS connection, RFC 5929: PostgreSQL has this one kind. */
export const BOUND_HEADER = 'p=tls-server-end-point,,';
/** Nothing that an exchange could be bound to. */
export const NO_END_POINT = new Uint8Array(0);
/** Bytes of every key and signature. */
export const SCRAM_KEY_LENGTH = 32;
/** Bytes of a salt; PostgreSQL uses 16. */
export const SCRAM_SALT_LENGTH_MAX = 1024;
/** Above it a peer could keep a thread of ours busy for seconds; PostgreSQL uses 4096. */
export const SCRAM_ITERATIONS_MAX = 1_000_000;

const DEFAULT_ITERATIONS = 4096;
const DEFAULT_SALT_LENGTH = 16;
const NONCE_LENGTH = 18;

/** Enough to check who knows the password, and to prove that one is the server; not enough to log in elsewhere. */
export interface ScramVerifier {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Enough to log in. With passthrough the first comes from a client's login and the second from its verifier. */
export interface ScramKeys {
  readonly clientKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** The keys of a password. A text is taken as UTF-8 and must have gone through SASLprep (RFC 4013), which leaves
 *  ASCII as it is; the work, some milliseconds, is done on a thread of Node's own. */
export async function deriveScramKeys(
  password: string | Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramKeys> {
  const salted = await promisify(pbkdf2)(password, salt, iterations, SCRAM_KEY_LENGTH, 'sha256');
  return { clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') };
}

/** The verifier that belongs to these keys. */
export function verifierOf(keys: ScramKeys, salt: Uint8Array, iterations: number): ScramVerifier {
  return { salt, iterations, storedKey: storedKeyOf(keys.clientKey), serverKey: keys.serverKey };
}

/** A verifier that nobody can satisfy, for users that do not exist: the same user gets the same salt every time, so
 *  that the exchange does not tell who exists. `secret` is random, known to nobody, and the same for all threads;
 *  `iterations` and `saltLength`, up to 32 bytes, should be what the real users have. */
export function mockVerifier(
  secret: Uint8Array,
  user: string,
  iterations: number = DEFAULT_ITERATIONS,
  saltLength: number = DEFAULT_SALT_LENGTH,
): ScramVerifier {
  return {
    salt: hmac(secret, `salt ${user}`).subarray(0, saltLength),
    iterations,
    storedKey: hmac(secret, `stored key ${user}`),
    serverKey: hmac(secret, `server key ${user}`),
  };
}

/** A nonce for one exchange; `random` must be cryptographically strong. */
export function scramNonce(random: (length: number) => Uint8Array): string {
  return encodeBase64(random(NONCE_LENGTH));
}

/** … as bytes. */
export function scramNonceBytes(random: (length: number) => Uint8Array): Uint8Array {
  const nonce = new Uint8Array((NONCE_LENGTH / 3) * 4);
  putBase64(nonce, 0, random(NONCE_LENGTH));
  return nonce;
}

/** SHA-256 of the ClientKey. */
export function storedKeyOf(clientKey: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(clientKey).digest());
}

/** Whether this ClientKey proves that one knows the password of the verifier. In constant time. */
export function isKeyOf({ storedKey }: ScramVerifier, clientKey: Uint8Array): boolean {
  return timingSafeEqual(storedKeyOf(clientKey), storedKey);
}

/** HMAC-SHA-256; a text is taken as UTF-8. */
export function hmac(key: Uint8Array, message: string | Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', key).update(message).digest());
}

/** XOR of two keys of the same length. */
export function xorKeys(left: Uint8Array, right: Uint8Array): Uint8Array {
  const result = new Uint8Array(left.length);
  for (let i = 0; i < left.length; i++) result[i] = byteAt(left, i) ^ byteAt(right, i);
  return result;
}
