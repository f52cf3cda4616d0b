/** The public keys that tokens are checked with. Their files, named by jwt-pkey-fpath: and general.talos.keys, are read
 *  when the configuration is, and nothing that a token says ever names a file. RFC 7518, "JSON Web Algorithms". */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname, extname, resolve } from 'node:path';
import { parseStoredPassword } from '../wire/password-form.js';
import type { Complaint, Path } from './complaints.js';
import { complaintAt, isTable, valueAt } from './explain.js';
import type { Source } from './source.js';

export interface TokenKey {
  readonly key: KeyObject;
  /** The values of the header alg that fit it, and no others: a token does not choose how it is checked. */
  readonly algorithms: readonly string[];
}

export interface TokenKeys {
  /** Of the users whose password is a token, by `userKey`. */
  readonly ofUsers: ReadonlyMap<string, readonly TokenKey[]>;
  /** By the file's name without its ending, which is the header kid of Talos tokens. */
  readonly talos: ReadonlyMap<string, readonly TokenKey[]>;
}

const RSA_BITS_MIN = 2048;

/** One user of one database. */
export function userKey(database: string, user: string): string {
  return `${database}\0${user}`;
}

/** `merged`: what the sources say together. A relative name is one beside the file that it stands in. */
export function readTokenKeys(
  merged: unknown,
  sources: readonly Source[],
): { readonly keys: TokenKeys; readonly complaints: readonly Complaint[] } {
  const reader = new Reader(merged, sources);
  const pools = valueAt(merged, ['pools']);
  for (const database of isTable(pools) ? Object.keys(pools) : []) reader.takeUsers(database);
  reader.takeTalos();
  return { keys: reader, complaints: reader.complaints };
}

class Reader implements TokenKeys {
  readonly ofUsers = new Map<string, readonly TokenKey[]>();
  readonly talos = new Map<string, readonly TokenKey[]>();
  readonly complaints: Complaint[] = [];
  private readonly merged: unknown;
  private readonly sources: readonly Source[];

  constructor(merged: unknown, sources: readonly Source[]) {
    this.merged = merged;
    this.sources = sources;
  }

  takeUsers(database: string): void {
    const path = ['pools', database, 'users'];
    const users = valueAt(this.merged, path);
    const keys = Array.isArray(users) ? [...users.keys()] : Object.keys(isTable(users) ? users : {});
    for (const key of keys) {
      const password = valueAt(users, [key, 'password']);
      const form = parseStoredPassword(typeof password === 'string' ? password : '');
      if (form.kind !== 'jwt' || valueAt(users, [key, 'auth_pam_service']) !== undefined) continue;
      const read = this.read([...path, key, 'password'], form.keyPath);
      if (read !== null) this.ofUsers.set(userKey(database, String(valueAt(users, [key, 'username']))), read);
    }
  }

  takeTalos(): void {
    const names = valueAt(this.merged, ['general', 'talos', 'keys']);
    for (const [index, name] of Array.isArray(names) ? names.entries() : []) {
      if (typeof name !== 'string') continue; // the schema has complained
      const field = ['general', 'talos', 'keys', index];
      const stem = basename(name, extname(name));
      const keys = this.read(field, name);
      if (keys === null) continue;
      if (this.talos.has(stem)) this.complain(field, `${stem} is the name of another key, too`);
      else this.talos.set(stem, keys);
    }
  }

  /** All keys in a file: while keys are being changed, the old one and the new one. null after a complaint. */
  private read(field: Path, name: string): readonly TokenKey[] | null {
    const source = this.sources.findLast(({ data }) => valueAt(data, field) !== undefined);
    const file = resolve(dirname(source?.file ?? ''), name);
    try {
      return keysIn(readFileSync(file, 'utf8'));
    } catch (error) {
      const why = error instanceof UnusableKey ? error.message : `cannot be read (${codeOf(error)})`;
      this.complain(field, `${file} ${why}`);
      return null;
    }
  }

  private complain(field: Path, what: string): void {
    this.complaints.push(complaintAt(field, what, this.sources));
  }
}

/** The message follows the file's name. */
class UnusableKey extends Error {}

function keysIn(text: string): TokenKey[] {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----/gs)];
  if (blocks.length === 0) throw new UnusableKey('holds no public key in PEM form');
  return blocks.map(([pem, label = '']) => {
    // Whoever may read it could sign tokens, and nobody needs that here.
    if (label.endsWith('PRIVATE KEY')) {
      throw new UnusableKey('holds a private key: put the public one in its place');
    }
    const key = publicKey(pem);
    return { key, algorithms: algorithmsFor(key) };
  });
}

function publicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch {
    throw new UnusableKey('holds no public key in PEM form');
  }
}

function algorithmsFor({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails ?? {};
  switch (asymmetricKeyType) {
    case 'rsa':
      if (modulusLength >= RSA_BITS_MIN) return ['RS256'];
      throw new UnusableKey(`holds an RSA key of ${modulusLength} bits: at least ${RSA_BITS_MIN} are wanted`);
    case 'ec':
      if (namedCurve === 'prime256v1') return ['ES256'];
      break;
    case 'ed25519':
      return ['EdDSA', 'Ed25519']; // its name in RFC 8037, and that in RFC 9864
  }
  const kind = [asymmetricKeyType, namedCurve].filter((each) => each !== undefined).join(' ');
  throw new UnusableKey(`holds a key of another kind (${kind}): RSA, EC P-256 or Ed25519 is wanted`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
