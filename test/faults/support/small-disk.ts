/** A file system of a few megabytes, where the machine lets us mount one: it takes root, and not every container's root
 *  may. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Postgres } from '../../support/postgres.js';
import { giveTo, unprivilegedUser } from '../../support/unprivileged-user.js';

export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Mounts it for this PostgreSQL's user; null where that is not allowed. */
  static mount(postgres: Postgres, megabytes: number): SmallDisk | null {
    const path = join(postgres.directory, 'small-disk');
    mkdirSync(path);
    const options = ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path];
    if (spawnSync('mount', options).status !== 0) return null;
    giveTo(unprivilegedUser(), path);
    return new SmallDisk(path);
  }

  unmount(): void {
    const { status, stderr } = spawnSync('umount', [this.path], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${this.path} stays mounted: ${stderr}`);
  }
}
