/** SHA-256 and HMAC-SHA-256 of short texts by OpenSSL, in memory of its own: node:crypto makes objects for each, and
 *  takes 7 µs for an HMAC where this takes 1.6. RFC 2104; EVP_Digest(3ssl).
 *
 *      ┌ key ^ ipad ┬ text … ┬ key ^ opad ┬ inner digest ┬ digest ┐
 *      0           64   64 + TEXT_MAX                                                                                */
import { mapMemory } from './libc.js';
import { digest, newDigest } from './openssl.js';
import { Bug } from './words.js';

const BLOCK = 64;
const LENGTH = 32;
/** Longest text; SCRAM signs 4.5 KB at most. Bytes. */
const TEXT_MAX = 8192 - 3 * BLOCK;
const TEXT_AT = BLOCK;
const OUTER_AT = TEXT_AT + TEXT_MAX;
const INNER_DIGEST_AT = OUTER_AT + BLOCK;
const DIGEST_AT = INNER_DIGEST_AT + LENGTH;
const IPAD = 0x36;
const OPAD = 0x5c;

const { address, buffer } = mapMemory(DIGEST_AT + LENGTH);
const memory = Buffer.from(buffer);
const sha = newDigest('SHA256');
// Added up once: as numbers beyond 2^31 they are objects.
const TEXT = address + TEXT_AT;
const OUTER = address + OUTER_AT;
const INNER_DIGEST = address + INNER_DIGEST_AT;
const DIGEST = address + DIGEST_AT;

export function sha256(bytes: Uint8Array): Uint8Array {
  if (bytes.length > TEXT_MAX) throw new Bug(`a digest of ${bytes.length} bytes`);
  memory.set(bytes, TEXT_AT);
  hash(TEXT, bytes.length, DIGEST);
  return result();
}

/** Of the first `length` bytes. The key has no more bytes than a block. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array, length: number): Uint8Array {
  if (key.length > BLOCK || length > TEXT_MAX) throw new Bug(`an HMAC of ${length} bytes`);
  for (let i = 0; i < BLOCK; i++) {
    const byte = i < key.length ? (key[i] as number) : 0;
    memory[i] = byte ^ IPAD;
    memory[OUTER_AT + i] = byte ^ OPAD;
  }
  for (let i = 0; i < length; i++) memory[TEXT_AT + i] = bytes[i] as number;
  hash(address, BLOCK + length, INNER_DIGEST);
  hash(OUTER, BLOCK + LENGTH, DIGEST);
  return result();
}

function hash(from: number, length: number, to: number): void {
  if (digest(from, length, to, 0, sha, 0) !== 1) throw new Bug('EVP_Digest has failed');
}

function result(): Uint8Array {
  const copy = new Uint8Array(LENGTH);
  for (let i = 0; i < LENGTH; i++) copy[i] = memory[DIGEST_AT + i] as number;
  return copy;
}
