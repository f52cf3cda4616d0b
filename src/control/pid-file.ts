/** general.daemon_pid_file: tells others the process id, and keeps two daemons from running side by side. Whoever has
 *  the file holds a lock on it, flock(2), which ends with the process: a file that a dead one has left is free. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { Errno, errnoName, lockFile } from '../reactor/libc.js';

const { O_CREAT, O_RDWR, O_NOFOLLOW, O_EXCL } = constants;
const MODE = 0o644;

/** The file cannot be had. The message says why, and what to do. */
export class PidFileError extends Error {
  override readonly name = 'PidFileError';
}

export class PidFile {
  private readonly path: string;
  private readonly fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`, 0);
  }

  /** Takes the file for this process. `predecessor`: a process that still has it, and whose place this one takes; 0 for
   *  none. Throws PidFileError. */
  static take(path: string, predecessor = 0): PidFile {
    const fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW);
    const locked = lockFile(fd);
    if (locked === 0) {
      // Whoever had it may have removed the file between the two calls: then the lock is on a file without a name.
      if (isAt(path, fd)) return new PidFile(path, fd);
      closeSync(fd);
      return PidFile.take(path, predecessor);
    }
    const owner = Number.parseInt(readFileSync(fd, 'utf8'), 10);
    closeSync(fd);
    if (locked !== -Errno.EWOULDBLOCK) {
      throw new PidFileError(`general.daemon_pid_file ${path} cannot be locked: ${errnoName(locked)}`);
    }
    if (predecessor !== 0 && owner === predecessor) return PidFile.replace(path);
    throw new PidFileError(
      `another pg_doorman runs with the same general.daemon_pid_file ${path}: pid ${owner}`,
    );
  }

  /** Removes the file, unless it is another's by now. */
  remove(): void {
    if (isAt(this.path, this.fd)) rmSync(this.path, { force: true });
    closeSync(this.fd);
  }

  /** A file of its own, which takes the name of the predecessor's. */
  private static replace(path: string): PidFile {
    const own = `${path}.${process.pid}`;
    const fd = open(own, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW);
    lockFile(fd);
    const file = new PidFile(path, fd);
    renameSync(own, path);
    return file;
  }
}

function open(path: string, flags: number): number {
  try {
    const fd = openSync(path, flags, MODE);
    fchmodSync(fd, MODE); // whatever the umask
    return fd;
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new PidFileError(`general.daemon_pid_file ${path} cannot be written: ${why}`);
  }
}

function isAt(path: string, fd: number): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  const own = fstatSync(fd);
  return named?.ino === own.ino && named.dev === own.dev;
}
