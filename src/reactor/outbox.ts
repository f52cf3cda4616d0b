/** Where bytes are copied to that have no buffer of their own: a small buffer is filled by whoever comes next. */
import { type Buffers, NO_BUFFER, SMALL_BYTES } from './buffers.js';

/** Received bytes up to this many are copied together rather than keeping their whole buffer. */
export const COPY_MAX = 1024;

export class Outbox {
  private readonly buffers: Buffers;
  private buffer = NO_BUFFER;
  private end = 0;
  /** Where the next byte goes. */
  at = 0;

  constructor(buffers: Buffers) {
    this.buffers = buffers;
  }

  /** Room at `at`, at least one byte of the length asked for; 0 when there is no memory left. */
  room(length: number): number {
    if (this.at === this.end || (length <= COPY_MAX && this.end - this.at < length)) this.next();
    return Math.min(length, this.end - this.at);
  }

  private next(): void {
    if (this.buffer !== NO_BUFFER) this.buffers.release(this.buffer);
    this.buffer = this.buffers.takeSmall();
    this.at = this.buffer === NO_BUFFER ? 0 : this.buffers.beginOf(this.buffer);
    this.end = this.buffer === NO_BUFFER ? 0 : this.at + SMALL_BYTES;
  }
}
