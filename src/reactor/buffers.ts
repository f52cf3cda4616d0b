/** The memory that bytes are received into and sent from: one mapping, cut into small and large buffers, counted by
 *  reference. It is named by offset everywhere, and touched page by page as the need grows. Not for: what a session
 *  keeps for itself. */
import { mapMemory } from './libc.js';
import { Bug, wordAt } from './words.js';

const SMALL_SHIFT = 13;
export const SMALL_BYTES = 1 << SMALL_SHIFT;
export const SMALL_COUNT = 16384;
const LARGE_SHIFT = 17;
export const LARGE_BYTES = 1 << LARGE_SHIFT;
export const LARGE_COUNT = 1024;
/** Where the large buffers begin. */
export const LARGE_BEGIN = SMALL_COUNT * SMALL_BYTES;
/** Up to so many bytes a loop copies faster than a call does, and makes no object. */
export const LOOP_MAX = 128;
const WORD = 4;
const MEMORY_BYTES = LARGE_BEGIN + LARGE_COUNT * LARGE_BYTES;

export const NO_BUFFER = -1;

/** Asked when a buffer that was lent to the kernel is nobody's any more whether it is to be lent again. */
export interface Lender {
  onFree(buffer: number): boolean;
}

/** Small buffers have the numbers 0 … SMALL_COUNT-1, large ones those from SMALL_COUNT on. */
export class Buffers {
  readonly memory: Uint8Array;
  readonly address: number;
  private readonly view: DataView;
  private readonly references = new Int32Array(SMALL_COUNT + LARGE_COUNT);
  /** 1 for the buffers that go back to the lender instead of onto a stack. */
  private readonly isLent = new Int32Array(SMALL_COUNT + LARGE_COUNT);
  private readonly freeSmall = new Int32Array(SMALL_COUNT);
  private freeSmallCount = 0;
  private readonly freeLarge = new Int32Array(LARGE_COUNT);
  private freeLargeCount = 0;
  private freshSmall = 0;
  private freshLarge = SMALL_COUNT;
  /** Buffers that somebody holds a reference to. */
  inUse = 0;
  lender: Lender | null = null;

  /** `from`: whose memory they take over, when its reactor is gone. */
  constructor(from?: Pick<Buffers, 'memory' | 'address'>) {
    const { memory, address } = from ?? mapped();
    this.memory = memory;
    this.address = address;
    this.view = new DataView(memory.buffer, memory.byteOffset, memory.length);
  }

  /** Copies bytes to another place of `memory` that does not overlap theirs. */
  copy(to: number, from: number, length: number): void {
    const { memory, view } = this;
    if (length > LOOP_MAX) return void memory.copyWithin(to, from, from + length);
    const words = length & -WORD;
    for (let i = 0; i < words; i += WORD) view.setInt32(to + i, view.getInt32(from + i, true), true);
    for (let i = words; i < length; i++) memory[to + i] = memory[from + i] as number;
  }

  /** Where a buffer's first byte stands in `memory`. */
  beginOf(buffer: number): number {
    return buffer < SMALL_COUNT
      ? buffer << SMALL_SHIFT
      : LARGE_BEGIN + ((buffer - SMALL_COUNT) << LARGE_SHIFT);
  }

  /** The buffer that an offset lies in. */
  at(offset: number): number {
    return offset < LARGE_BEGIN
      ? offset >> SMALL_SHIFT
      : SMALL_COUNT + ((offset - LARGE_BEGIN) >> LARGE_SHIFT);
  }

  /** A small buffer for ourselves, with one reference; NO_BUFFER when all are taken. */
  takeSmall(): number {
    const buffer = this.freeOrFreshSmall();
    if (buffer !== NO_BUFFER) this.hold(buffer);
    return buffer;
  }

  /** A large buffer for ourselves, with one reference; NO_BUFFER when all are taken. */
  takeLarge(): number {
    const buffer = this.freeOrFreshLarge();
    if (buffer !== NO_BUFFER) this.hold(buffer);
    return buffer;
  }

  /** A free buffer that is to be lent to the kernel from now on; NO_BUFFER when there is none left. */
  takeToLend(large: boolean): number {
    const buffer = large ? this.freeOrFreshLarge() : this.freeOrFreshSmall();
    if (buffer !== NO_BUFFER) this.isLent[buffer] = 1;
    return buffer;
  }

  private freeOrFreshSmall(): number {
    if (this.freeSmallCount > 0) return wordAt(this.freeSmall, --this.freeSmallCount);
    return this.freshSmall < SMALL_COUNT ? this.freshSmall++ : NO_BUFFER;
  }

  private freeOrFreshLarge(): number {
    if (this.freeLargeCount > 0) return wordAt(this.freeLarge, --this.freeLargeCount);
    return this.freshLarge < SMALL_COUNT + LARGE_COUNT ? this.freshLarge++ : NO_BUFFER;
  }

  /** One more reference: `release` must follow. The first one takes a lent buffer out of the kernel's hands. */
  hold(buffer: number): void {
    const count = wordAt(this.references, buffer);
    if (count === 0) this.inUse++;
    this.references[buffer] = count + 1;
  }

  release(buffer: number): void {
    const count = wordAt(this.references, buffer);
    if (count === 0) throw new Bug(`buffer ${buffer} is released more often than held`);
    this.references[buffer] = count - 1;
    if (count > 1) return;
    this.inUse--;
    if (wordAt(this.isLent, buffer) === 1 && this.lender?.onFree(buffer) === true) return;
    this.isLent[buffer] = 0;
    if (buffer < SMALL_COUNT) this.freeSmall[this.freeSmallCount++] = buffer;
    else this.freeLarge[this.freeLargeCount++] = buffer;
  }
}

function mapped(): Pick<Buffers, 'memory' | 'address'> {
  const { buffer, address } = mapMemory(MEMORY_BYTES);
  return { memory: new Uint8Array(buffer), address };
}
