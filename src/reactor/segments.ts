/** Ranges of `Buffers.memory` in singly linked lists: what a socket has still to send, or has received and not yet
 *  delivered. All lists share these arrays, so an idle connection costs nothing. A segment holds its buffer. */
import type { Buffers } from './buffers.js';
import { wordAt } from './words.js';

export const NONE = -1;

export class Segments {
  private readonly buffers: Buffers;
  private begins = new Int32Array(1024);
  private lengths = new Int32Array(1024);
  private nexts = new Int32Array(1024);
  private free = NONE;
  private fresh = 0;
  /** Segments that are in some list. */
  inUse = 0;

  constructor(buffers: Buffers) {
    this.buffers = buffers;
  }

  beginOf(segment: number): number {
    return wordAt(this.begins, segment);
  }

  lengthOf(segment: number): number {
    return wordAt(this.lengths, segment);
  }

  nextOf(segment: number): number {
    return wordAt(this.nexts, segment);
  }

  /** A new segment that follows `previous` (NONE: begins a list). Takes one reference to its buffer. */
  append(previous: number, begin: number, length: number): number {
    let segment = this.free;
    if (segment !== NONE) this.free = wordAt(this.nexts, segment);
    else {
      if (this.fresh === this.begins.length) this.grow();
      segment = this.fresh++;
    }
    this.inUse++;
    this.begins[segment] = begin;
    this.lengths[segment] = length;
    this.nexts[segment] = NONE;
    if (previous !== NONE) this.nexts[previous] = segment;
    this.buffers.hold(this.buffers.at(begin));
    return segment;
  }

  /** Has one list follow another's last segment. */
  join(tail: number, head: number): void {
    this.nexts[tail] = head;
  }

  /** Makes a segment longer at its end; the bytes behind it are in the same buffer. */
  extend(segment: number, length: number): void {
    this.lengths[segment] = this.lengthOf(segment) + length;
  }

  /** Takes bytes away from a segment's beginning; fewer than it has. */
  advance(segment: number, length: number): void {
    this.begins[segment] = this.beginOf(segment) + length;
    this.lengths[segment] = this.lengthOf(segment) - length;
  }

  /** Gives a list's first segment back, its reference too, and returns the next. */
  drop(segment: number): number {
    const next = this.nextOf(segment);
    const buffer = this.buffers.at(this.beginOf(segment));
    this.nexts[segment] = this.free;
    this.free = segment;
    this.inUse--;
    this.buffers.release(buffer);
    return next;
  }

  private grow(): void {
    const size = this.begins.length * 2;
    this.begins = grown(this.begins, size);
    this.lengths = grown(this.lengths, size);
    this.nexts = grown(this.nexts, size);
  }
}

function grown(words: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(words);
  return larger;
}
