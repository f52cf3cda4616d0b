/** Which worker's each open descriptor is, in memory that all threads share: those of a worker that has died are closed
 *  by who buries it. Not for: listeners and what wakes workers, which outlive them. */
import { SHUT_RDWR } from './kernel-structs.js';
import { close, type Fd, shutdown } from './libc.js';

/** What Linux lets a process have, unless fs.nr_open was raised: those beyond are not known here. */
const DESCRIPTORS_MAX = 1024 * 1024;
const NOBODY = 0;

/** Bytes of shared memory; pages cost nothing until they are touched. */
export const DESCRIPTORS_BYTES = DESCRIPTORS_MAX * Uint16Array.BYTES_PER_ELEMENT;

export class Descriptors {
  private readonly owners: Uint16Array;
  private readonly self: number;

  /** As the worker `self` sees it. */
  constructor(memory: SharedArrayBuffer, self: number) {
    this.owners = new Uint16Array(memory);
    this.self = self;
  }

  /** From now on it is this worker's. */
  take(fd: number): void {
    this.give(fd, this.self);
  }

  /** From now on it is that worker's. */
  give(fd: number, worker: number): void {
    if (fd < DESCRIPTORS_MAX) this.owners[fd] = worker + 1;
  }

  /** This worker closes it, or gives it away. */
  release(fd: number): void {
    if (fd < DESCRIPTORS_MAX) this.owners[fd] = NOBODY;
  }

  /** This worker is no more: ends all its connections. Returns how many descriptors there were. */
  closeAll(): number {
    const mark = this.self + 1;
    let count = 0;
    for (let fd = this.owners.indexOf(mark); fd >= 0; fd = this.owners.indexOf(mark, fd + 1)) {
      this.owners[fd] = NOBODY;
      // What its ring still has underway would keep it open: the peers hear of the end at once all the same.
      shutdown(fd as Fd, SHUT_RDWR);
      close(fd as Fd);
      count++;
    }
    return count;
  }
}
