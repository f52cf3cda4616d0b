/** What io_uring's and epoll's reactors have in common: memory, time, chance, timers, and the order of a round:
 *
 *      wait ─▶ what happened ─▶ timers ─▶ replays of kept bytes ─▶ sends ─▶ wait
 *
 *  No session runs inside another's call: what one causes for another is queued for later in the round. */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks'; // the global of this name is a getter that stays slow in workers
import { Buffers } from './buffers.js';
import { Gather } from './gather.js';
import * as k from './kernel-structs.js';
import { IPPROTO_TCP } from './kernel-structs.js';
import { close, eventfd, type Fd, SystemError, setLinger, setSocketOption, socket } from './libc.js';
import { type Acceptor, SEND_HIGH_WATER, type SocketAddress, type SocketOptions } from './reactor.js';
import { Segments } from './segments.js';
import { familyOf } from './socket-address.js';
import { Outbox, type SocketHost, type StreamSocket } from './stream-socket.js';
import { type Timer, TimerHeap } from './timers.js';
import { Bug } from './words.js';

/** With so many buffers in use slow readers may hold only a little each. */
const BUFFERS_SCARCE = 8192;
const SEND_HIGH_WATER_SCARCE = 16 * 1024;

export abstract class BaseReactor implements SocketHost {
  readonly buffers = new Buffers();
  readonly segments = new Segments(this.buffers);
  readonly outbox = new Outbox(this.buffers);
  readonly gather = new Gather();
  readonly wakeFd: Fd;
  onWake: () => void = () => undefined;
  onBug: (error: unknown) => void = () => undefined;
  nowMs = performance.now();
  protected readonly timers = new TimerHeap();
  protected isStopped = false;
  private flushes = new SocketQueue();
  private flushing = new SocketQueue();
  private replays = new SocketQueue();
  private replaying = new SocketQueue();

  constructor() {
    const fd = eventfd(k.EFD_NONBLOCK | k.EFD_CLOEXEC);
    if (fd < 0) throw new SystemError('eventfd', fd);
    this.wakeFd = fd as Fd;
  }

  /** Waits until something happens, or for so many milliseconds, and tells the sockets. */
  protected abstract waitAndDispatch(timeoutMs: number): void;

  get sendHighWater(): number {
    return this.buffers.inUse > BUFFERS_SCARCE ? SEND_HIGH_WATER_SCARCE : SEND_HIGH_WATER;
  }

  random(length: number): Uint8Array {
    return randomBytes(length);
  }

  setTimer(timer: Timer, afterMs: number): void {
    this.timers.set(timer, this.nowMs + afterMs);
  }

  clearTimer(timer: Timer): void {
    this.timers.clear(timer);
  }

  queueFlush(socket: StreamSocket): void {
    this.flushes.push(socket);
  }

  queueReplay(socket: StreamSocket): void {
    this.replays.push(socket);
  }

  run(): void {
    while (!this.isStopped) this.round();
  }

  stop(): void {
    this.isStopped = true;
  }

  private round(): void {
    const isBusy = this.replays.count > 0 || this.flushes.count > 0;
    const timeoutMs = isBusy ? 0 : Math.max(0, this.timers.nextDeadlineMs - this.nowMs);
    this.waitAndDispatch(timeoutMs);
    this.nowMs = performance.now();
    this.fireTimers();
    this.replayAll();
    this.flushAll();
  }

  /** A session threw: it loses its connection, and nobody else does. */
  protected sessionFailed(socket: StreamSocket, error: unknown): void {
    this.onBug(error);
    try {
      socket.abort();
    } catch (another) {
      this.onBug(another);
    }
  }

  /** Shows a new connection to who accepts it. */
  introduce(socket: StreamSocket, acceptor: Acceptor): void {
    try {
      socket.begin(acceptor.onAccept(socket));
    } catch (error) {
      this.sessionFailed(socket, error);
    }
  }

  private fireTimers(): void {
    try {
      this.timers.fire(this.nowMs);
    } catch (error) {
      this.onBug(error);
    }
  }

  /** What is queued meanwhile is for the next round. */
  private replayAll(): void {
    const queue = this.replays;
    if (queue.count === 0) return;
    this.replays = this.replaying;
    this.replaying = queue;
    for (let i = 0; i < queue.count; i++) {
      const socket = queue.at(i);
      try {
        socket.replay();
      } catch (error) {
        this.sessionFailed(socket, error);
      }
    }
    queue.count = 0;
  }

  private flushAll(): void {
    const queue = this.flushes;
    if (queue.count === 0) return;
    this.flushes = this.flushing;
    this.flushing = queue;
    for (let i = 0; i < queue.count; i++) {
      const socket = queue.at(i);
      try {
        socket.flush();
      } catch (error) {
        this.sessionFailed(socket, error);
      }
    }
    queue.count = 0;
  }
}

/** Sockets that something is due for. Emptied by its count: shortening an array would make it grow anew each round. */
class SocketQueue {
  private readonly sockets: StreamSocket[] = [];
  count = 0;

  push(socket: StreamSocket): void {
    if (this.count === this.sockets.length) this.sockets.push(socket);
    else this.sockets[this.count] = socket;
    this.count++;
  }

  at(index: number): StreamSocket {
    const socket = this.sockets[index];
    if (socket === undefined) throw new Bug('beyond the end of a queue');
    return socket;
  }
}

/** A new stream socket for an address, its options set. Throws SystemError. */
export function openSocket(address: SocketAddress, options: SocketOptions, extraType: number): Fd {
  const fd = socket(familyOf(address), k.SOCK_STREAM | k.SOCK_CLOEXEC | extraType);
  if (fd < 0) throw new SystemError('socket', fd);
  setOptions(fd as Fd, address, options);
  return fd as Fd;
}

/** Sets what was asked for. A listener's options pass to what it accepts, tcp(7). */
function setOptions(fd: Fd, address: SocketAddress, options: SocketOptions): void {
  if (address.kind === 'unix') {
    if (options.unixBufferBytes > 0) {
      setSocketOption(fd, k.SOL_SOCKET, k.SO_SNDBUF, options.unixBufferBytes);
      setSocketOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, options.unixBufferBytes);
    }
    return;
  }
  if (options.noDelay) setSocketOption(fd, IPPROTO_TCP, k.TCP_NODELAY, 1);
  setSocketOption(fd, k.SOL_SOCKET, k.SO_KEEPALIVE, 1);
  if (options.keepaliveCount > 0) setSocketOption(fd, IPPROTO_TCP, k.TCP_KEEPCNT, options.keepaliveCount);
  if (options.keepaliveIdleS > 0) setSocketOption(fd, IPPROTO_TCP, k.TCP_KEEPIDLE, options.keepaliveIdleS);
  if (options.keepaliveIntervalS > 0)
    setSocketOption(fd, IPPROTO_TCP, k.TCP_KEEPINTVL, options.keepaliveIntervalS);
  if (options.userTimeoutS > 0)
    setSocketOption(fd, IPPROTO_TCP, k.TCP_USER_TIMEOUT, options.userTimeoutS * 1000);
  if (options.lingerS >= 0) setLinger(fd, options.lingerS);
}

/** Closes a descriptor that could not be put to use, and says why. */
export function abandon(fd: Fd, call: string, errno: number, about: string): SystemError {
  close(fd);
  return new SystemError(call, errno, about);
}
