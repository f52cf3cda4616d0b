/** What io_uring's and epoll's reactors have in common: the system's time and chance, and the descriptor that wakes
 *  them. */
import { randomBytes, randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks'; // the global of this name is a getter that stays slow in workers
import type { Descriptors } from './descriptors.js';
import { Gather } from './gather.js';
import * as k from './kernel-structs.js';
import { LargePause } from './large-pause.js';
import { eventfd, type Fd, SystemError, threadCpuMs } from './libc.js';
import { openListening } from './listening.js';
import type { Acceptor, Listener, ListeningSocket, SocketAddress, SocketOptions } from './reactor.js';
import { Rounds } from './rounds.js';

/** Random bytes are asked of the system so many at a time: a call for each nonce would cost as much as a query. */
const RANDOM_AT_ONCE = 4096;

/** performance.now() counts from the start of its thread: what makes CLOCK_MONOTONIC of it. */
const CLOCK_OFFSET_MS = clockOffset();

/** Read several times, since the thread may be interrupted between the two clocks: the shortest look is the best. */
function clockOffset(): number {
  let shortest = Number.POSITIVE_INFINITY;
  let offset = 0;
  for (let look = 0; look < 10; look++) {
    const before = performance.now();
    const monotonic = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before >= shortest) continue;
    shortest = after - before;
    offset = monotonic - (before + after) / 2;
  }
  return offset;
}

/** A descriptor to wake a reactor by. Throws SystemError. */
export function openWakeFd(): Fd {
  const fd = eventfd(k.EFD_NONBLOCK | k.EFD_CLOEXEC);
  if (fd < 0) throw new SystemError('eventfd', fd);
  return fd as Fd;
}

export abstract class BaseReactor extends Rounds {
  readonly gather = new Gather();
  readonly largePause = new LargePause((socket, error) => this.sessionFailed(socket, error));
  readonly wakeFd: Fd;
  private readonly randomBytes = new Uint8Array(RANDOM_AT_ONCE);
  private randomAt = RANDOM_AT_ONCE;

  /** wakeFd: from openWakeFd. descriptors: where it says which are its own. */
  constructor(
    wakeFd: Fd,
    readonly descriptors: Descriptors | null,
  ) {
    super();
    this.nowMs = this.clock();
    this.wakeFd = wakeFd;
  }

  cpuMs(): number {
    return threadCpuMs();
  }

  random(length: number): Uint8Array {
    if (length > RANDOM_AT_ONCE) return randomBytes(length);
    if (this.randomAt + length > RANDOM_AT_ONCE) {
      randomFillSync(this.randomBytes);
      this.randomAt = 0;
    }
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      bytes[i] = this.randomBytes[this.randomAt] as number;
      this.randomBytes[this.randomAt++] = 0; // nobody gets it again
    }
    return bytes;
  }

  listen(address: SocketAddress, backlog: number, options: SocketOptions, acceptor: Acceptor): Listener {
    return this.acceptFrom(openListening(address, backlog, options), acceptor);
  }

  abstract acceptFrom(listening: ListeningSocket, acceptor: Acceptor): Listener;

  /** CLOCK_MONOTONIC, so that every thread's reactor tells the same time. */
  protected clock(): number {
    return performance.now() + CLOCK_OFFSET_MS;
  }
}
