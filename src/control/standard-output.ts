/** Log lines on standard output, whatever that is: a terminal, a file, a pipe, a socket of journald. It never blocks:
 *  poll(2) says whether there is room, and no more is written at once than surely fits then (pipe(7), PIPE_BUF). */
import { writeSync } from 'node:fs';
import { isWritable } from '../reactor/libc.js';
import { type LogTarget, Taken } from './log-output.js';

const STDOUT = 1;
const PIPE_BUF = 4096;
const NONE: Uint8Array = new Uint8Array(0);

export class StandardOutput implements LogTarget {
  private readonly fd: number;
  /** What is left of a line that was taken. */
  private rest = NONE;
  /** The last line was cut off in the middle: the next one must not go on with it. */
  private isTorn = false;

  constructor(fd = STDOUT) {
    this.fd = fd;
  }

  goOn(): boolean {
    if (this.rest.length > 0) this.writeRest();
    return this.rest.length === 0;
  }

  take(line: string): Taken {
    if (!this.goOn()) return Taken.NotNow;
    const bytes = Buffer.from(`${this.isTorn ? '\n' : ''}${line}\n`);
    this.rest = bytes;
    if (!this.writeRest()) return Taken.Never;
    if (this.rest !== bytes) return Taken.Yes;
    this.rest = NONE;
    return Taken.NotNow;
  }

  awaitRoom(timeoutMs: number): void {
    isWritable(this.fd, timeoutMs);
  }

  /** As much of it as there is room for; false when it could not be written, and is forgotten. */
  private writeRest(): boolean {
    const whole = this.rest;
    try {
      while (this.rest.length > 0 && isWritable(this.fd, 0)) {
        const written = writeSync(this.fd, this.rest, 0, Math.min(this.rest.length, PIPE_BUF));
        this.rest = this.rest.subarray(written);
      }
      if (this.rest.length === 0) this.isTorn = false;
      return true;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      if (error.code === 'EAGAIN') return true; // somebody has made it non-blocking
      this.isTorn ||= this.rest.length < whole.length;
      this.rest = NONE;
      return false;
    }
  }
}
