/** Receives or sends of many sockets by one system call: Linux's AIO does at once what it is asked of sockets that do not
 *  block. With a call each, whoever is woken by a send takes the processor from us in between; where AIO is not to be
 *  had it is a call each all the same. io_setup(2), io_submit(2). */
import {
  AIO_RING_BYTES,
  AIO_RING_HEAD_AT,
  AIO_RING_MAGIC,
  AIO_RING_MAGIC_AT,
  AIO_RING_SIZE_AT,
  AIO_RING_TAIL_AT,
  AioOp,
  IO_EVENT_BYTES,
  IO_EVENT_RESULT_AT,
  IOCB_BUFFER_AT,
  IOCB_BYTES,
  IOCB_FD_AT,
  IOCB_LENGTH_AT,
  IOCB_OP_AT,
  MSG_NOSIGNAL,
  MSGHDR_BYTES,
} from '../kernel-structs.js';
import {
  aioSetup,
  aioSubmit,
  errnoName,
  type Fd,
  mapMemory,
  recv,
  send,
  sendmsg,
  viewMemory,
} from '../libc.js';
import { addressOf, Bug, highWord, lowWord, wordAt } from '../words.js';

const REQUESTS_MAX = 64;
const POINTER_BYTES = 8;
const IOCB_WORDS = IOCB_BYTES / 4;
const RING_WORDS = AIO_RING_BYTES / 4;
const EVENT_WORDS = IO_EVENT_BYTES / 4;

export class Batch {
  /** Why there is no AIO; '' when there is. */
  readonly missing: string;
  /** struct iocb of each request; its data is its place. */
  private readonly requests: Int32Array;
  private readonly pointers: number;
  private readonly results = new Int32Array(REQUESTS_MAX);
  private readonly context: number;
  /** struct aio_ring: the kernel puts the results there, and we take them out. */
  private readonly ring: Int32Array;
  count = 0;

  /** `context`: from aioSetup; a negative errno, where there is none. */
  constructor(context = aioSetup(REQUESTS_MAX)) {
    const { address, buffer } = mapMemory(REQUESTS_MAX * (IOCB_BYTES + POINTER_BYTES));
    this.requests = new Int32Array(buffer, 0, REQUESTS_MAX * IOCB_WORDS);
    this.pointers = address + this.requests.byteLength;
    const pointers = new BigInt64Array(buffer, this.requests.byteLength, REQUESTS_MAX);
    for (let i = 0; i < REQUESTS_MAX; i++) {
      pointers[i] = BigInt(address + i * IOCB_BYTES);
      this.requests[i * IOCB_WORDS] = i;
    }
    this.context = context;
    this.ring = context > 0 ? ringAt(context) : new Int32Array(0);
    this.missing = missing(context, this.ring);
  }

  get isFull(): boolean {
    return this.count === REQUESTS_MAX;
  }

  receive(fd: Fd, address: number, length: number): void {
    this.add(AioOp.Pread, fd, address, length);
  }

  send(fd: Fd, address: number, length: number): void {
    this.add(AioOp.Pwrite, fd, address, length);
  }

  /** `header`: a struct msghdr with so many struct iovec right behind it. */
  sendGathered(fd: Fd, header: number, vectors: number): void {
    this.add(AioOp.Pwritev, fd, header + MSGHDR_BYTES, vectors);
  }

  /** Does all of it: `resultOf` each, by its place. The kernel has read what was to be sent. */
  submit(): void {
    const { count } = this;
    const isWorthwhile = count > 1 && this.missing === '';
    const taken = isWorthwhile ? Math.max(0, aioSubmit(this.context, count, this.pointers)) : 0;
    this.takeResults(taken);
    for (let place = taken; place < count; place++) this.results[place] = this.doAlone(place);
    this.count = 0;
  }

  /** Bytes, 0 at the end, or a negative errno. */
  resultOf(place: number): number {
    return wordAt(this.results, place);
  }

  private add(op: AioOp, fd: Fd, address: number, length: number): void {
    const { requests } = this;
    const at = this.count++ * IOCB_WORDS;
    requests[at + IOCB_OP_AT] = op;
    requests[at + IOCB_FD_AT] = fd;
    requests[at + IOCB_BUFFER_AT] = lowWord(address);
    requests[at + IOCB_BUFFER_AT + 1] = highWord(address);
    requests[at + IOCB_LENGTH_AT] = length;
  }

  private takeResults(count: number): void {
    const { ring, results } = this;
    if (count === 0) return;
    const size = wordAt(ring, AIO_RING_SIZE_AT);
    let head = wordAt(ring, AIO_RING_HEAD_AT);
    for (let left = count; left > 0; left--) {
      if (head === wordAt(ring, AIO_RING_TAIL_AT)) throw new Bug('a receive or send blocks');
      const at = RING_WORDS + head * EVENT_WORDS;
      results[wordAt(ring, at)] = wordAt(ring, at + IO_EVENT_RESULT_AT);
      head = head + 1 === size ? 0 : head + 1;
    }
    ring[AIO_RING_HEAD_AT] = head;
  }

  private doAlone(place: number): number {
    const { requests } = this;
    const at = place * IOCB_WORDS;
    const fd = wordAt(requests, at + IOCB_FD_AT) as Fd;
    const address = addressOf(
      wordAt(requests, at + IOCB_BUFFER_AT),
      wordAt(requests, at + IOCB_BUFFER_AT + 1),
    );
    const length = wordAt(requests, at + IOCB_LENGTH_AT);
    const op: AioOp = wordAt(requests, at + IOCB_OP_AT);
    if (op === AioOp.Pread) return recv(fd, address, length);
    if (op === AioOp.Pwrite) return send(fd, address, length, MSG_NOSIGNAL);
    return sendmsg(fd, address - MSGHDR_BYTES, MSG_NOSIGNAL);
  }
}

function ringAt(context: number): Int32Array {
  const size = wordAt(new Int32Array(viewMemory(context, AIO_RING_BYTES)), AIO_RING_SIZE_AT);
  return new Int32Array(viewMemory(context, AIO_RING_BYTES + size * IO_EVENT_BYTES));
}

function missing(context: number, ring: Int32Array): string {
  if (context < 0) return errnoName(context);
  return wordAt(ring, AIO_RING_MAGIC_AT) === AIO_RING_MAGIC ? '' : 'its ring is of another kind';
}
