/** The reactor on epoll, for kernels and containers that do not allow io_uring. epoll(7). */
import { BaseReactor } from '../base-reactor.js';
import type { Descriptors } from '../descriptors.js';
import * as k from '../kernel-structs.js';
import {
  accept4,
  close,
  Errno,
  epollControl,
  epollCreate,
  epollWait,
  epollWaitPrecisely,
  type Fd,
  read,
  SystemError,
  setNonBlocking,
} from '../libc.js';
import { ACCEPT_PAUSE_MS, closeListening, isPeersFault, removeSocketFile } from '../listening.js';
import { openSocket } from '../open-socket.js';
import type {
  Acceptor,
  Listener,
  ListeningSocket,
  Reactor,
  ReactorUsage,
  Receiver,
  Socket,
  SocketAddress,
  SocketOptions,
} from '../reactor.js';
import { encodeSocketAddress } from '../socket-address.js';
import { nobody, SocketState } from '../stream-socket.js';
import { Timer, type TimerTarget } from '../timers.js';
import { Bug } from '../words.js';
import { Batch } from './batch.js';
import { EpollSocket } from './epoll-socket.js';

const EVENTS_MAX = 512;
/** The kernel is asked for so many sockets' bytes by one call, before any of them is handed out. */
const EVENTS_TOGETHER = 64;
/** Slots that are no sockets: the eventfd, and from LISTENER_SLOT on the listeners. */
const WAKE_SLOT = 0x7fffffff;
const LISTENER_SLOT = 0x40000000;
const ACCEPTS_PER_TURN = 64;
const ACCEPT_FLAGS = k.SOCK_NONBLOCK | k.SOCK_CLOEXEC;

export class EpollReactor extends BaseReactor implements Reactor {
  readonly name = 'epoll';
  private readonly epoll: Fd;
  private readonly events = Buffer.alloc(EVENTS_MAX * k.EPOLL_EVENT_BYTES);
  private readonly event = Buffer.alloc(k.EPOLL_EVENT_BYTES);
  private readonly sockets: (EpollSocket | null)[] = [];
  private readonly freeSlots: number[] = [];
  private readonly listeners: EpollListener[] = [];
  private readonly failing: { socket: EpollSocket; errno: number }[] = [];
  private readonly taken: (EpollSocket | null)[] = [];
  readonly receives: Batch;
  private readonly sends: Batch;
  /** Whose sends these are, by their places. */
  private readonly sending: EpollSocket[] = [];
  /** Whether the kernel can wait for less than a millisecond. */
  readonly canPause: boolean;
  private readonly wakeCount = new Uint8Array(8);
  private generation = 0;
  private socketCount = 0;

  /** Why each receive and send is a call of its own; '' when many are one. */
  get withoutBatches(): string {
    return this.sends.missing;
  }

  constructor(wakeFd: Fd, descriptors: Descriptors | null, newBatch = () => new Batch()) {
    super(wakeFd, descriptors);
    this.receives = newBatch();
    this.sends = newBatch();
    const fd = epollCreate(k.EPOLL_CLOEXEC);
    if (fd < 0) throw new SystemError('epoll_create1', fd);
    descriptors?.take(fd);
    this.epoll = fd as Fd;
    this.canPause = epollWaitPrecisely(this.epoll, this.events, EVENTS_MAX, 0) >= 0;
    this.control(k.EPOLL_CTL_ADD, this.wakeFd, k.EPOLLIN, WAKE_SLOT, 0);
  }

  acceptFrom(listening: ListeningSocket, acceptor: Acceptor): Listener {
    setNonBlocking(listening.fd, true);
    const listener = new EpollListener(this, listening, LISTENER_SLOT + this.listeners.length, acceptor);
    this.listeners.push(listener);
    return listener;
  }

  connect(address: SocketAddress, options: SocketOptions, receiver: Receiver): Socket {
    const encoded = encodeSocketAddress(address);
    const socket = this.adopt(
      openSocket(address, options, k.SOCK_NONBLOCK),
      SocketState.Connecting,
      receiver,
    );
    socket.connect(encoded);
    return socket;
  }

  protected attachPlain(fd: number, receiver: Receiver): Socket {
    setNonBlocking(fd, true);
    return this.adopt(fd as Fd, SocketState.Open, receiver);
  }

  usage(): ReactorUsage {
    return {
      sockets: this.socketCount,
      buffers: this.buffers.inUse,
      segments: this.segments.inUse,
      timers: this.timers.size,
    };
  }

  /** Gives a descriptor a place among the sockets. */
  adopt(fd: Fd, state: SocketState, receiver: Receiver): EpollSocket {
    const slot = this.freeSlots.pop() ?? this.sockets.length;
    this.generation = (this.generation + 1) & 0x7fffffff;
    const adopted = new EpollSocket(this, fd, slot, this.generation, state, receiver);
    this.sockets[slot] = adopted;
    this.socketCount++;
    this.descriptors?.take(fd);
    return adopted;
  }

  watch(socket: EpollSocket, operation: number, interest: number): void {
    this.control(operation, socket.fd, interest, socket.slot, socket.generation);
  }

  /** Watches a listener, or does not for a while. */
  watchListener(fd: Fd, slot: number, operation: number): void {
    this.control(operation, fd, k.EPOLLIN, slot, 0);
  }

  /** Tells a socket of its failure in the next round, not inside the call that made it. */
  failLater(socket: EpollSocket, errno: number): void {
    this.failing.push({ socket, errno });
  }

  closeSocket(socket: EpollSocket): void {
    this.forget(socket);
    close(socket.fd); // epoll forgets it by itself
  }

  /** Gives its place among the sockets back. */
  forget(socket: EpollSocket): void {
    if (this.sockets[socket.slot] !== socket) throw new Bug('a socket is closed twice');
    this.sockets[socket.slot] = null;
    this.freeSlots.push(socket.slot);
    this.socketCount--;
    this.descriptors?.release(socket.fd);
  }

  protected waitAndDispatch(timeoutMs: number): void {
    const count = this.wait(this.failing.length > 0 ? 0 : timeoutMs);
    if (count < 0 && count !== -Errno.EINTR) throw new SystemError('epoll_wait', count);
    this.nowMs = this.clock();
    for (let left = this.failing.length; left > 0; left--) {
      const failed = this.failing.shift();
      failed?.socket.fail(failed.errno);
    }
    for (let from = 0; from < count; from += EVENTS_TOGETHER) {
      const to = Math.min(count, from + EVENTS_TOGETHER);
      for (let i = from; i < to; i++) this.taken[i - from] = this.takeIn(i * k.EPOLL_EVENT_BYTES);
      this.receives.submit();
      for (let i = from, place = 0; i < to; i++) {
        const taken = this.taken[i - from] ?? null;
        if (taken !== null) taken.result = this.receives.resultOf(place++);
        this.dispatch(i * k.EPOLL_EVENT_BYTES, taken);
        this.eventEnds();
      }
    }
    if (!this.largePause.isEmpty) this.largePause.end(this.clock());
  }

  private wait(timeoutMs: number): number {
    if (timeoutMs > 0 && !this.largePause.isEmpty) {
      return epollWaitPrecisely(this.epoll, this.events, EVENTS_MAX, this.largePause.limit(timeoutMs));
    }
    const milliseconds =
      timeoutMs === Number.POSITIVE_INFINITY ? -1 : Math.min(Math.ceil(timeoutMs), 0x7fffffff);
    return epollWait(this.epoll, this.events, EVENTS_MAX, milliseconds);
  }

  protected override flushSockets(): void {
    super.flushSockets();
    this.sendAll();
  }

  /** Where a socket puts what it has to send; it hears what has become of it when the round ends, or sooner. */
  sendOf(socket: EpollSocket): Batch {
    if (this.sends.isFull || this.gather.isFull) this.sendAll();
    this.sending[this.sends.count] = socket;
    return this.sends;
  }

  private sendAll(): void {
    const { sends, sending } = this;
    const { count } = sends;
    if (count === 0) return;
    sends.submit();
    for (let place = 0; place < count; place++) {
      const socket = sending[place];
      if (socket === undefined) throw new Bug('a send of nobody');
      try {
        socket.wasSent(sends.resultOf(place));
      } catch (error) {
        this.sessionFailed(socket, error);
      }
    }
  }

  /** The socket of an ordinary event, with what it has received; null for all other events. */
  private takeIn(at: number): EpollSocket | null {
    const socket = this.sockets[this.events.readInt32LE(at + k.EPOLL_EVENT_DATA_AT)];
    if (!socket || socket.generation !== this.events.readInt32LE(at + k.EPOLL_EVENT_DATA_AT + 4)) return null;
    return socket.takeIn(this.events.readInt32LE(at)) ? socket : null;
  }

  private dispatch(at: number, taken: EpollSocket | null): void {
    if (taken !== null) {
      try {
        taken.handOut();
      } catch (error) {
        this.sessionFailed(taken, error);
      }
      return;
    }
    const happened = this.events.readInt32LE(at);
    const slot = this.events.readInt32LE(at + k.EPOLL_EVENT_DATA_AT);
    if (slot === WAKE_SLOT) {
      read(this.wakeFd, this.wakeCount);
      return this.onWake();
    }
    if (slot >= LISTENER_SLOT) return this.listeners[slot - LISTENER_SLOT]?.accept();
    const socket = this.sockets[slot];
    // One closed earlier in this round may have had its place taken: the generation tells.
    if (socket && socket.generation === this.events.readInt32LE(at + k.EPOLL_EVENT_DATA_AT + 4)) {
      try {
        socket.happened(happened);
      } catch (error) {
        this.sessionFailed(socket, error);
      }
    }
  }

  private control(operation: number, fd: Fd, interest: number, slot: number, generation: number): void {
    this.event.writeInt32LE(interest, 0);
    this.event.writeInt32LE(slot, k.EPOLL_EVENT_DATA_AT);
    this.event.writeInt32LE(generation, k.EPOLL_EVENT_DATA_AT + 4);
    const result = epollControl(this.epoll, operation, fd, this.event);
    if (result < 0) throw new SystemError('epoll_ctl', result);
  }
}

class EpollListener implements Listener, TimerTarget {
  readonly port: number;
  private readonly reactor: EpollReactor;
  private readonly fd: Fd;
  private readonly slot: number;
  private readonly acceptor: Acceptor;
  private readonly address: SocketAddress;
  private readonly again: Timer = new Timer(this);
  private isClosed = false;

  constructor(
    reactor: EpollReactor,
    { fd, port, address }: ListeningSocket,
    slot: number,
    acceptor: Acceptor,
  ) {
    this.reactor = reactor;
    this.fd = fd as Fd;
    this.port = port;
    this.slot = slot;
    this.acceptor = acceptor;
    this.address = address;
    reactor.watchListener(this.fd, slot, k.EPOLL_CTL_ADD);
  }

  accept(): void {
    for (let turn = 0; turn < ACCEPTS_PER_TURN && !this.isClosed; turn++) {
      const result = accept4(this.fd, ACCEPT_FLAGS);
      if (result >= 0) this.take(result as Fd);
      else if (result === -Errno.EAGAIN) return;
      else if (!isPeersFault(result)) return this.takeBreath(-result);
    }
  }

  onTimer(): void {
    if (!this.isClosed) return this.reactor.watchListener(this.fd, this.slot, k.EPOLL_CTL_ADD);
    closeListening(this.fd, ACCEPT_FLAGS, (fd) => this.take(fd));
    this.acceptor.onListenerClosed?.();
  }

  close(): void {
    if (this.isClosed) return;
    this.release();
    removeSocketFile(this.address);
    this.reactor.setTimer(this.again, 0);
  }

  release(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.again.isSet) this.reactor.clearTimer(this.again);
    else this.reactor.watchListener(this.fd, this.slot, k.EPOLL_CTL_DEL);
  }

  private take(fd: Fd): void {
    this.reactor.introduce(this.reactor.adopt(fd, SocketState.Open, nobody), this.acceptor);
  }

  /** accept(2) would fail again at once: the listener is left alone for a moment. */
  private takeBreath(errno: number): void {
    this.acceptor.onAcceptFailed(errno);
    this.reactor.watchListener(this.fd, this.slot, k.EPOLL_CTL_DEL);
    this.reactor.setTimer(this.again, ACCEPT_PAUSE_MS);
  }
}
