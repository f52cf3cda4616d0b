/** PostgreSQL refuses to run as root: then it runs as another user of this machine. */
import { chownSync, readFileSync } from 'node:fs';

/** Options for spawn; empty when we are not root. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

export function unprivilegedUser(): RunAs {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const [, , uid, gid] =
    users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('as root a user postgres or nobody is needed to run PostgreSQL as');
  return { uid: Number(uid), gid: Number(gid) };
}

export function giveTo({ uid, gid }: RunAs, path: string): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}
