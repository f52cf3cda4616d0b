/** PostgreSQL and PgBouncer refuse to run as root: then they run as another user of this machine. */

import { chownSync, readFileSync } from 'node:fs';
import { NotPossible } from './errors.js';

/** Options for spawn; empty when the benchmark itself is not root. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

/** Users that may serve, in order. */
const CANDIDATES = ['postgres', 'nobody'];

/** Throws NotPossible when the benchmark is root and the machine has none of the users. */
export function unprivilegedUser(): RunAs {
  if (process.getuid?.() !== 0) return {};
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of CANDIDATES) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new NotPossible(
    `as root the benchmark needs a user to run PostgreSQL as: ${CANDIDATES.join(' or ')}`,
  );
}

/** Gives a file or directory to that user. */
export function giveTo(user: RunAs, path: string): void {
  if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
}
