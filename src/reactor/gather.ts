/** struct msghdr and struct iovec for sends of several segments. The kernel reads them when the operation is handed
 *  to it, so the memory serves again afterwards. sendmsg(2), readv(2). */
import { IOVEC_BYTES, IOVEC_WORDS, MSGHDR_BYTES, MSGHDR_WORDS } from './kernel-structs.js';
import { mapMemory } from './libc.js';
import { highWord, lowWord } from './words.js';

const VECTORS = 4096;
/** A message has at most this many segments; the rest goes with the next one. */
const SEGMENTS_MAX = 64;
const BYTES = VECTORS * IOVEC_BYTES;

export class Gather {
  private readonly words: Int32Array;
  private readonly address: number;
  private at = 0;
  /** Of the message that was begun last. */
  vectors = 0;

  constructor() {
    const mapping = mapMemory(BYTES);
    this.words = new Int32Array(mapping.buffer);
    this.address = mapping.address;
  }

  /** Whether the kernel must read what there is before more can be gathered. */
  get isFull(): boolean {
    return (this.at + MSGHDR_WORDS + SEGMENTS_MAX * IOVEC_WORDS) * 4 > BYTES;
  }

  /** Begins a message; the caller has emptied it when it was full. */
  begin(): void {
    if (this.isFull) this.at = 0;
    this.vectors = 0;
  }

  /** False when the message has as many segments as it may have. */
  add(address: number, length: number): boolean {
    if (this.vectors === SEGMENTS_MAX) return false;
    const at = this.at + MSGHDR_WORDS + this.vectors * IOVEC_WORDS;
    this.words[at] = lowWord(address);
    this.words[at + 1] = highWord(address);
    this.words[at + 2] = length;
    this.words[at + 3] = 0;
    this.vectors++;
    return true;
  }

  /** Ends the message and returns the address of its struct msghdr. */
  end(): number {
    const { words, at } = this;
    const header = this.address + at * 4;
    const vector = header + MSGHDR_BYTES;
    words.fill(0, at, at + MSGHDR_WORDS);
    words[at + 4] = lowWord(vector); // msg_iov
    words[at + 5] = highWord(vector);
    words[at + 6] = this.vectors; // msg_iovlen
    this.at = at + MSGHDR_WORDS + this.vectors * IOVEC_WORDS;
    return header;
  }
}
