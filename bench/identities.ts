/** What a pooler shows to clients that ask for TLS, and what it knows of a user who logs in by SCRAM: made for the run. */

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Children } from './children.js';
import type { Identity } from './configurations.js';
import { NotPossible, reasonOf } from './errors.js';

/** As openssl-req(1) has them. */
const KEY_OPTIONS = {
  'RSA 2048': ['-newkey', 'rsa:2048'],
  'ECDSA P-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
} as const;

const TIMEOUT_MS = 30_000;
/** PostgreSQL's own. */
const ITERATIONS = 4096;
const SALT_LENGTH = 16;
const KEY_LENGTH = 32;

/** A certificate that is signed by itself, and its key. Throws NotPossible where there is no `openssl`. */
export async function newIdentity(children: Children, kind: keyof typeof KEY_OPTIONS): Promise<Identity> {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-bench-identity-'));
  const [certificate, privateKey] = [join(directory, 'crt'), join(directory, 'key')];
  const args = [
    ...['req', '-x509', '-nodes', '-sha256', '-days', '2', '-subj', '/CN=localhost'],
    ...[...KEY_OPTIONS[kind], '-keyout', privateKey, '-out', certificate],
  ];
  try {
    await children.run('openssl', args, TIMEOUT_MS);
    return {
      certificate: readFileSync(certificate, 'latin1'),
      privateKey: readFileSync(privateKey, 'latin1'),
    };
  } catch (error) {
    throw new NotPossible(`no certificate: ${reasonOf(error)}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** `SCRAM-SHA-256$…` as in pg_authid. RFC 5802, section 3. */
export function verifierOf(password: string): string {
  const salt = randomBytes(SALT_LENGTH);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, KEY_LENGTH, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}
