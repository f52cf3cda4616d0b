/** Sends of this round that the kernel tries once, while they are submitted, and of which it reports only failures:
 *  most sends find room in the socket's buffer, and a completion less for each is a fifth of a query's cost. What was
 *  taken whole is let go when the round's completions have been read; the rest goes back to its socket. */
import { NONE, type Segments } from '../segments.js';
import { wordAt } from '../words.js';
import type { UringSocket } from './uring-socket.js';

/** Stands for a send of which nothing was heard: it has succeeded. */
const SENT = 0x7fffffff;

export class SendsAtOnce {
  private readonly sockets: UringSocket[] = [];
  private heads = new Int32Array(1024);
  private tails = new Int32Array(1024);
  private lengths = new Int32Array(1024);
  private results = new Int32Array(1024);
  private count = 0;
  private failures = 0;

  add(socket: UringSocket, head: number, tail: number, length: number): void {
    const at = this.count++;
    if (at === this.sockets.length) this.sockets.push(socket);
    else this.sockets[at] = socket;
    if (at === this.heads.length) this.grow();
    this.heads[at] = head;
    this.tails[at] = tail;
    this.lengths[at] = length;
    this.results[at] = SENT;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** The kernel took only so many bytes, or said no (negative errno). */
  failed(slot: number, generation: number, result: number): void {
    for (let at = 0; at < this.count; at++) {
      const socket = this.sockets[at];
      if (socket?.slot !== slot || socket.generation !== generation || this.results[at] !== SENT) continue;
      this.results[at] = result;
      this.failures++;
      return;
    }
  }

  /** All of the round's completions have been read. */
  settle(segments: Segments): void {
    if (this.failures > 0) this.giveBack();
    for (let at = 0; at < this.count; at++) {
      for (let each = wordAt(this.heads, at); each !== NONE; ) each = segments.drop(each);
    }
    this.count = 0;
  }

  private giveBack(): void {
    this.failures = 0;
    for (let at = 0; at < this.count; at++) {
      const result = wordAt(this.results, at);
      if (result === SENT) continue;
      const head = wordAt(this.heads, at);
      if (
        this.sockets[at]?.takeBack(head, wordAt(this.tails, at), wordAt(this.lengths, at), result) === true
      ) {
        this.heads[at] = NONE;
      }
    }
  }

  private grow(): void {
    const size = this.heads.length * 2;
    this.heads = grown(this.heads, size);
    this.tails = grown(this.tails, size);
    this.lengths = grown(this.lengths, size);
    this.results = grown(this.results, size);
  }
}

function grown(words: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(words);
  return larger;
}
