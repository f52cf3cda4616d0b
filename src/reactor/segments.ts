/** Ranges of `Buffers.memory` in singly linked lists: what a socket has still to send, or has received and not yet
 *  delivered. All lists share these arrays, so an idle connection costs nothing. A segment holds its buffer. */
import type { Buffers } from './buffers.js';
import { wordAt } from './words.js';

export const NONE = -1;

/** A segment is where its words stand in the one array: its fields share a cache line, which is a cold one where many
 *  clients wait. */
const LENGTH_AT = 1;
const NEXT_AT = 2;
const WORDS = 4;

export class Segments {
  private readonly buffers: Buffers;
  private words = new Int32Array(1024 * WORDS);
  private free = NONE;
  private fresh = 0;
  /** Segments that are in some list. */
  inUse = 0;

  constructor(buffers: Buffers) {
    this.buffers = buffers;
  }

  beginOf(segment: number): number {
    return wordAt(this.words, segment);
  }

  lengthOf(segment: number): number {
    return wordAt(this.words, segment + LENGTH_AT);
  }

  nextOf(segment: number): number {
    return wordAt(this.words, segment + NEXT_AT);
  }

  /** A new segment that follows `previous` (NONE: begins a list). Takes one reference to its buffer. */
  append(previous: number, begin: number, length: number): number {
    const segment = this.take();
    const { words } = this;
    words[segment] = begin;
    words[segment + LENGTH_AT] = length;
    words[segment + NEXT_AT] = NONE;
    if (previous !== NONE) words[previous + NEXT_AT] = segment;
    this.buffers.hold(this.buffers.at(begin));
    return segment;
  }

  /** Has one list follow another's last segment. */
  join(tail: number, head: number): void {
    this.words[tail + NEXT_AT] = head;
  }

  /** Makes a segment longer at its end; the bytes behind it are in the same buffer. */
  extend(segment: number, length: number): void {
    this.words[segment + LENGTH_AT] = this.lengthOf(segment) + length;
  }

  /** Takes bytes away from a segment's beginning; fewer than it has. */
  advance(segment: number, length: number): void {
    this.words[segment] = this.beginOf(segment) + length;
    this.words[segment + LENGTH_AT] = this.lengthOf(segment) - length;
  }

  /** Gives a list's first segment back, its reference too, and returns the next. */
  drop(segment: number): number {
    const next = this.nextOf(segment);
    const buffer = this.buffers.at(this.beginOf(segment));
    this.words[segment + NEXT_AT] = this.free;
    this.free = segment;
    this.inUse--;
    this.buffers.release(buffer);
    return next;
  }

  private take(): number {
    this.inUse++;
    const segment = this.free;
    if (segment === NONE) return this.takeFresh();
    this.free = this.nextOf(segment);
    return segment;
  }

  private takeFresh(): number {
    if (this.fresh === this.words.length) {
      const larger = new Int32Array(this.words.length * 2);
      larger.set(this.words);
      this.words = larger;
    }
    const segment = this.fresh;
    this.fresh += WORDS;
    return segment;
  }
}
