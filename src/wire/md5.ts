/** PostgreSQL's MD5 passwords: the stored hash, and the answer to a salt. Old and weak, and still in use; whoever has
 *  the hash can log in, which is why the pooler can pass it through. PostgreSQL manual, "Password Authentication". */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

const PREFIX = 'md5';

/** What PostgreSQL stores: `md5` and md5(password user) in 32 lower-case hex digits. */
export function md5PasswordHash(user: string, password: string): string {
  return PREFIX + md5Hex(Buffer.from(password + user, 'utf8'));
}

/** What a PasswordMessage must say when the server sent this salt: `md5` and md5(hex digits of the hash, salt).
 *  `hash` is the stored form, prefix included. */
export function md5Response(hash: string, salt: Uint8Array): string {
  const digits = Buffer.from(hash.slice(PREFIX.length), 'latin1');
  return PREFIX + md5Hex(Buffer.concat([digits, salt]));
}

/** Whether a client's password (of a PasswordMessage, without its zero) answers this salt.
 *  Takes as long for a wrong answer as for the right one. */
export function isMd5Response(hash: string, salt: Uint8Array, response: Uint8Array): boolean {
  const expected = Buffer.from(md5Response(hash, salt), 'latin1');
  return response.length === expected.length && timingSafeEqual(response, expected);
}

/** A hash that no password is known to have, for users that do not exist; `key` is known to nobody. */
export function mockMd5Hash(key: Uint8Array, user: string): string {
  return PREFIX + createHmac('md5', key).update(`hash ${user}`).digest('hex');
}

function md5Hex(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
