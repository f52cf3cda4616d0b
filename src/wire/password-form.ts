/** What kind of secret a stored password is, by its form: in the configuration, or in an answer of auth_query.
 *  A text that begins like one form and is not of it is unusable, never taken as a plain password: a verifier that
 *  was cut while it was pasted must not become something that somebody could type in.
 *
 *    md5…                                          md5.ts
 *    SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER   scram-verifier.ts
 *    jwt-pkey-fpath:PATH                           the public key that checks tokens                           */
import { decodeBase64 } from './base64.js';
import {
  SCRAM_ITERATIONS_MAX,
  SCRAM_KEY_LENGTH,
  SCRAM_SALT_LENGTH_MAX,
  type ScramVerifier,
} from './scram-verifier.js';

export type StoredPassword =
  | { readonly kind: 'md5'; readonly hash: string } // 'md5' and 32 lower-case hex digits
  | ({ readonly kind: 'scram' } & ScramVerifier)
  | { readonly kind: 'jwt'; readonly keyPath: string }
  | { readonly kind: 'plain'; readonly password: string }
  | { readonly kind: 'none' }
  /** `why` is for the log: it names the field that is wrong and contains nothing of it. */
  | { readonly kind: 'unusable'; readonly why: string };

const MD5_PREFIX = 'md5';
const SCRAM_PREFIX = 'SCRAM-SHA-256$';
const JWT_PREFIX = 'jwt-pkey-fpath:';
const SCRAM_FORM = 'a SCRAM verifier is SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY';
const KEY_FORM = `is base64 of ${SCRAM_KEY_LENGTH} bytes`;

/** Reads a stored password. Never throws. */
export function parseStoredPassword(text: string): StoredPassword {
  if (text === '') return { kind: 'none' };
  if (text.startsWith(MD5_PREFIX)) return parseMd5(text);
  if (text.startsWith(SCRAM_PREFIX)) return parseScram(text.slice(SCRAM_PREFIX.length));
  if (text.startsWith(JWT_PREFIX)) return parseJwt(text.slice(JWT_PREFIX.length));
  return { kind: 'plain', password: text };
}

function parseMd5(text: string): StoredPassword {
  if (!/^md5[0-9a-fA-F]{32}$/.test(text)) return unusable('md5 must be followed by 32 hex digits');
  return { kind: 'md5', hash: text.toLowerCase() };
}

function parseScram(fields: string): StoredPassword {
  const [, iterationsText, saltText, storedText, serverText] =
    /^([^:$]*):([^:$]*)\$([^:$]*):([^:$]*)$/.exec(fields) ?? [];
  if (iterationsText === undefined || saltText === undefined) return unusable(SCRAM_FORM);
  if (storedText === undefined || serverText === undefined) return unusable(SCRAM_FORM);
  const iterations = /^[1-9][0-9]{0,6}$/.test(iterationsText) ? Number(iterationsText) : 0;
  if (iterations === 0 || iterations > SCRAM_ITERATIONS_MAX) {
    return unusable(`the iterations of a SCRAM verifier are 1 to ${SCRAM_ITERATIONS_MAX}`);
  }
  const salt = decodeBase64(saltText);
  if (salt === null || salt.length === 0 || salt.length > SCRAM_SALT_LENGTH_MAX) {
    return unusable(`the salt of a SCRAM verifier is base64 of 1 to ${SCRAM_SALT_LENGTH_MAX} bytes`);
  }
  const storedKey = decodeKey(storedText);
  if (storedKey === null) return unusable(`the StoredKey of a SCRAM verifier ${KEY_FORM}`);
  const serverKey = decodeKey(serverText);
  if (serverKey === null) return unusable(`the ServerKey of a SCRAM verifier ${KEY_FORM}`);
  return { kind: 'scram', salt, iterations, storedKey, serverKey };
}

function decodeKey(text: string): Uint8Array | null {
  const key = decodeBase64(text);
  return key === null || key.length !== SCRAM_KEY_LENGTH ? null : key;
}

function parseJwt(keyPath: string): StoredPassword {
  return keyPath === '' ? unusable('jwt-pkey-fpath: needs the path of a key') : { kind: 'jwt', keyPath };
}

function unusable(why: string): StoredPassword {
  return { kind: 'unusable', why };
}
