/** The two rings of buffers that are lent to the kernel, small and large: it picks one when bytes arrive, so that an
 *  idle connection holds none. Few are lent at first and more when they run out. io_uring_register(2),
 *  IORING_REGISTER_PBUF_RING. */
import { type Buffers, LARGE_BYTES, NO_BUFFER, SMALL_BYTES, SMALL_COUNT } from '../buffers.js';
import { BUF_REG_BYTES, IO_URING_BUF_BYTES, IORING_REGISTER_PBUF_RING } from '../kernel-structs.js';
import { ioUringRegister, mapMemory, SystemError } from '../libc.js';
import { highWord, lowWord, wordAt } from '../words.js';
import { type Ring, UringUnavailable } from './ring.js';

export const SMALL_GROUP = 0;
export const LARGE_GROUP = 1;
export type Group = typeof SMALL_GROUP | typeof LARGE_GROUP;

/** Few, so that a small set goes round and stays in the processor's cache; so many more each time they run out. */
const LENT_STEP = 64;
const LARGE_LENT_STEP = 16;
/** They run out below a step divided by this: what the kernel has filled is counted as left until it is read. */
const FEW_LEFT = 4;
/** Most that the kernel has at a time. */
const LENT_MAX = 1024;

class BufferRing {
  private readonly entries: Int32Array;
  private readonly halves: Uint16Array;
  private readonly mask: number;
  private tail = 0;

  constructor(ring: Ring, group: number, count: number) {
    const memory = mapMemory(count * IO_URING_BUF_BYTES);
    this.entries = new Int32Array(memory.buffer);
    this.halves = new Uint16Array(memory.buffer);
    this.mask = count - 1;
    const registration = Buffer.alloc(BUF_REG_BYTES);
    registration.writeBigUInt64LE(BigInt(memory.address), 0);
    registration.writeUInt32LE(count, 8);
    registration.writeUInt16LE(group, 12);
    const result = ioUringRegister(ring.fd, IORING_REGISTER_PBUF_RING, registration, 1);
    if (result < 0) throw new UringUnavailable(new SystemError('buffer rings (kernel 5.19)', result).message);
  }

  /** struct io_uring_buf: addr, len, bid; the tail lies in the first one's last two bytes. */
  lend(address: number, length: number, id: number): void {
    const at = (this.tail & this.mask) * (IO_URING_BUF_BYTES / 4);
    this.entries[at] = lowWord(address);
    this.entries[at + 1] = highWord(address);
    this.entries[at + 2] = length;
    this.halves[at * 2 + 6] = id;
    this.tail = (this.tail + 1) & 0xffff;
    // The kernel reads the tail inside io_uring_enter on this very thread: an ordinary store is in time.
    this.halves[7] = this.tail;
  }
}

export class LentBuffers {
  private readonly buffers: Buffers;
  private readonly rings: readonly [BufferRing, BufferRing];
  /** How many the kernel has, and how many it is to have, by group. */
  private readonly withKernel = new Int32Array(2);
  private readonly wanted = new Int32Array(2);

  /** Throws UringUnavailable. */
  constructor(ring: Ring, buffers: Buffers) {
    this.buffers = buffers;
    this.rings = [new BufferRing(ring, SMALL_GROUP, LENT_MAX), new BufferRing(ring, LARGE_GROUP, LENT_MAX)];
    buffers.lender = this;
  }

  /** The buffer of a completion, with one reference. */
  received(group: number, id: number): number {
    this.withKernel[group] = wordAt(this.withKernel, group) - 1;
    const buffer = group === SMALL_GROUP ? id : SMALL_COUNT + id;
    this.buffers.hold(buffer);
    return buffer;
  }

  /** Whether a receive of the group would find a buffer. When the kernel has few left, it is to have more. */
  ensure(group: Group): boolean {
    const step = group === SMALL_GROUP ? LENT_STEP : LARGE_LENT_STEP;
    if (this.left(group) * FEW_LEFT >= step) return true;
    this.wanted[group] = Math.min(LENT_MAX, wordAt(this.wanted, group) + step);
    for (let i = 0; i < step && this.left(group) < LENT_MAX && this.lendFresh(group); i++);
    return this.left(group) > 0;
  }

  /** So many receives of the group would find a buffer. */
  left(group: Group): number {
    return wordAt(this.withKernel, group);
  }

  /** Takes it back, unless the kernel has as many as it is to have: then it is free for sending. */
  onFree(buffer: number): boolean {
    const group = buffer < SMALL_COUNT ? SMALL_GROUP : LARGE_GROUP;
    if (wordAt(this.withKernel, group) >= wordAt(this.wanted, group)) return false;
    this.lend(buffer);
    return true;
  }

  private lendFresh(group: Group): boolean {
    const buffer = this.buffers.takeToLend(group === LARGE_GROUP);
    if (buffer === NO_BUFFER) return false;
    this.lend(buffer);
    return true;
  }

  private lend(buffer: number): void {
    const group = buffer < SMALL_COUNT ? SMALL_GROUP : LARGE_GROUP;
    const id = group === SMALL_GROUP ? buffer : buffer - SMALL_COUNT;
    const length = group === SMALL_GROUP ? SMALL_BYTES : LARGE_BYTES;
    this.rings[group].lend(this.buffers.address + this.buffers.beginOf(buffer), length, id);
    this.withKernel[group] = wordAt(this.withKernel, group) + 1;
  }
}
