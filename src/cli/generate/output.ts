/** Where a configuration goes that was made: to standard output, or into a file that nobody else may read, whole or not
 *  at all. */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const MODE = 0o600;
const BACKUP_SUFFIX = '.bak';

/** Writes a file by way of a temporary one beside it. A former file is kept beside it, too, and its owner stays; returns
 *  the copy's name, '' when there was no such file. What is no regular file, such as /dev/stdout, is written to as it
 *  is. Throws CannotWrite. */
export function writeSecretFile(path: string, text: string): string {
  try {
    return written(path, text);
  } catch (error) {
    throw error instanceof Error && 'code' in error ? new CannotWrite(path, String(error.code)) : error;
  }
}

/** Names the file as the operator does, not the temporary one. */
export class CannotWrite extends Error {
  constructor(path: string, code: string) {
    super(`${path} cannot be written (${code})`);
  }
}

function written(path: string, text: string): string {
  const target = targetOf(path);
  const former = statSync(target, { throwIfNoEntry: false }) ?? null;
  if (target.startsWith('/dev/') || former?.isFile() === false) {
    writeFileSync(path, text);
    return '';
  }
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}`);
  try {
    writeDurably(temporary, text);
    if (former !== null) keepOwner(temporary, former);
    const backup = former === null ? '' : keepFormer(target);
    renameSync(temporary, target);
    return backup;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** A symbolic link stays one: what it leads to is replaced, or made. */
function targetOf(path: string): string {
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (!isLink || path.startsWith('/dev/')) return path;
  return existsSync(path) ? realpathSync(path) : resolve(dirname(path), readlinkSync(path));
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'wx', MODE);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Or the pooler, which is somebody else than who makes the file, could not read it any more. */
function keepOwner(path: string, { uid, gid }: Stats): void {
  if (process.getuid?.() === 0) chownSync(path, uid, gid);
}

function keepFormer(path: string): string {
  const backup = `${path}${BACKUP_SUFFIX}`;
  rmSync(backup, { force: true });
  copyFileSync(path, backup, constants.COPYFILE_EXCL);
  chmodSync(backup, MODE);
  return backup;
}
