/** The reactor on io_uring: one system call a round submits what the sessions asked for and waits for what happens. */
import { BaseReactor } from '../base-reactor.js';
import type { Descriptors } from '../descriptors.js';
import {
  IORING_ACCEPT_MULTISHOT,
  IORING_ASYNC_CANCEL_ALL,
  IORING_ASYNC_CANCEL_FD,
  IORING_CQE_F_MORE,
  IORING_SETUP_DEFER_TASKRUN,
  Op,
  SOCK_CLOEXEC,
} from '../kernel-structs.js';
import { type Fd, mapMemory, setNonBlocking } from '../libc.js';
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
import { type Group, LentBuffers } from './lent-buffers.js';
import { Ring } from './ring.js';
import { SendsAtOnce } from './sends-at-once.js';
import { Starving } from './starving.js';
import { GENERATION_SHIFT, KIND_MASK, Kind, UringSocket } from './uring-socket.js';

const GENERATION_MASK = 0x7fffff;

export class UringReactor extends BaseReactor implements Reactor {
  readonly name = 'io_uring';
  readonly ring: Ring;
  readonly lent: LentBuffers;
  readonly sendsAtOnce = new SendsAtOnce();
  /** Multishot receives came with kernel 6.0, between the set-ups that we can tell apart. */
  readonly receivesMultishot: boolean;
  /** Whether all of the last round's operations have been handed to the kernel, and so all sends at once are over. */
  isSubmitted = true;
  private readonly sockets: (UringSocket | null)[] = [];
  private readonly freeSlots: number[] = [];
  private readonly listeners: (UringListener | null)[] = [];
  private readonly starving: Starving;
  private readonly wakeMemory = mapMemory(4096);
  private generation = 0;
  private socketCount = 0;

  /** Throws UringUnavailable when the kernel does not allow it, or lacks what these flags ask for. */
  constructor(setupFlags: number, wakeFd: Fd, descriptors: Descriptors | null) {
    super(wakeFd, descriptors);
    this.ring = new Ring(setupFlags);
    descriptors?.take(this.ring.fd);
    this.receivesMultishot = (setupFlags & IORING_SETUP_DEFER_TASKRUN) !== 0;
    this.lent = new LentBuffers(this.ring, this.buffers);
    this.starving = new Starving(this.lent);
    this.listenForWakes();
  }

  acceptFrom(listening: ListeningSocket, acceptor: Acceptor): Listener {
    setNonBlocking(listening.fd, false);
    const listener = new UringListener(this, listening, this.listeners.length, acceptor);
    this.listeners.push(listener);
    return listener;
  }

  connect(address: SocketAddress, options: SocketOptions, receiver: Receiver): Socket {
    const encoded = encodeSocketAddress(address);
    const fd = openSocket(address, options, 0);
    const connecting = this.adopt(fd, SocketState.Connecting, receiver);
    if (!connecting.connect(encoded)) connecting.close();
    return connecting;
  }

  protected attachPlain(fd: number, receiver: Receiver): Socket {
    setNonBlocking(fd, false);
    return this.adopt(fd as Fd, SocketState.Open, receiver);
  }

  override flush(): void {
    super.flush();
    this.ring.submit();
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
  adopt(fd: Fd, state: SocketState, receiver: Receiver): UringSocket {
    const slot = this.freeSlots.pop() ?? this.sockets.length;
    this.generation = (this.generation + 1) & GENERATION_MASK;
    const adopted = new UringSocket(this, fd, slot, this.generation, state, receiver);
    this.sockets[slot] = adopted;
    this.socketCount++;
    this.descriptors?.take(fd);
    return adopted;
  }

  /** Ends all that is in flight on a descriptor; each operation's last completion is still to come. */
  cancelAll(socket: UringSocket): void {
    const at = this.ring.begin(Op.AsyncCancel, socket.fd, 0, Kind.Ignored);
    this.ring.putOperationFlags(at, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL);
  }

  /** Nothing is in flight any more: the descriptor and the place among the sockets are given back. */
  closeSocket(socket: UringSocket): void {
    this.ring.begin(Op.Close, socket.fd, 0, Kind.Ignored);
    this.forget(socket); // the descriptor is the ring's now, see ring-remains.ts
  }

  /** Gives its place among the sockets back. */
  forget(socket: UringSocket): void {
    if (this.sockets[socket.slot] !== socket) throw new Bug('a socket is closed twice');
    this.sockets[socket.slot] = null;
    this.freeSlots.push(socket.slot);
    this.socketCount--;
    this.descriptors?.release(socket.fd);
  }

  /** The kernel has no buffer of the group for it: the socket receives when there are some. */
  waitForBuffers(socket: UringSocket, group: Group): void {
    this.starving.push(socket, group);
  }

  /** Sends at once give their buffers back as soon as they are submitted. */
  protected override get isBusy(): boolean {
    if (!this.starving.isEmpty && (this.starving.canBeFed || !this.sendsAtOnce.isEmpty)) return true;
    return super.isBusy;
  }

  protected waitAndDispatch(timeoutMs: number): void {
    this.ring.wait(this.largePause.limit(timeoutMs));
    this.nowMs = this.clock();
    this.isSubmitted = this.ring.isSubmitted;
    while (this.ring.next()) {
      this.dispatch();
      this.eventEnds();
    }
    if (this.isSubmitted) this.sendsAtOnce.settle(this.segments);
    this.starving.feed();
    if (!this.largePause.isEmpty) this.largePause.end(this.clock());
  }

  private dispatch(): void {
    const { data0, data1, result, flags } = this.ring;
    const kind = data1 & KIND_MASK;
    switch (kind) {
      case Kind.Recv:
      case Kind.Send:
      case Kind.End:
      case Kind.Connect: {
        const socket = this.sockets[data0];
        if (!socket || socket.generation !== data1 >>> GENERATION_SHIFT) {
          throw new Bug(`a completion of kind ${kind} for a socket that is gone`);
        }
        try {
          socket.complete(kind, result, flags);
        } catch (error) {
          this.sessionFailed(socket, error);
        }
        return;
      }
      case Kind.SendAtOnce:
        return this.sendsAtOnce.failed(data0, data1 >>> GENERATION_SHIFT, result);
      case Kind.Accept:
        if (result >= 0) this.descriptors?.take(result);
        this.ring.tookResult();
        return this.listeners[data0]?.accepted(result, flags);
      case Kind.Wake:
        this.listenForWakes();
        return this.onWake();
      default: // Ignored: a cancel or close, whose outcome shows elsewhere
    }
  }

  private listenForWakes(): void {
    const at = this.ring.begin(Op.Read, this.wakeFd, 0, Kind.Wake);
    this.ring.putMemory(at, this.wakeMemory.address, 8);
  }
}

class UringListener implements Listener, TimerTarget {
  readonly port: number;
  private readonly reactor: UringReactor;
  private readonly fd: Fd;
  private readonly index: number;
  private readonly acceptor: Acceptor;
  private readonly address: SocketAddress;
  private readonly again: Timer = new Timer(this);
  private isClosed = false;
  private isReleased = false;

  constructor(
    reactor: UringReactor,
    { fd, port, address }: ListeningSocket,
    index: number,
    acceptor: Acceptor,
  ) {
    this.reactor = reactor;
    this.fd = fd as Fd;
    this.port = port;
    this.index = index;
    this.acceptor = acceptor;
    this.address = address;
    this.accept();
  }

  accepted(result: number, flags: number): void {
    if (result >= 0) this.take(result as Fd);
    else if (!this.isClosed && !this.isReleased && !isPeersFault(result))
      this.acceptor.onAcceptFailed(-result);
    if ((flags & IORING_CQE_F_MORE) !== 0) return;
    if (this.isReleased) return;
    if (this.isClosed) this.closeNow();
    else if (result >= 0 || isPeersFault(result)) this.accept();
    else this.reactor.setTimer(this.again, ACCEPT_PAUSE_MS);
  }

  onTimer(): void {
    if (this.isClosed) this.closeNow();
    else this.accept();
  }

  close(): void {
    if (this.isClosed || this.isReleased) return;
    this.isClosed = true;
    removeSocketFile(this.address);
    if (this.again.isSet) this.reactor.setTimer(this.again, 0);
    else this.cancelAccept();
  }

  private closeNow(): void {
    closeListening(this.fd, SOCK_CLOEXEC, (fd) => this.take(fd));
    this.acceptor.onListenerClosed?.();
  }

  release(): void {
    if (this.isClosed || this.isReleased) return;
    this.isReleased = true;
    if (this.again.isSet) this.reactor.clearTimer(this.again);
    else this.cancelAccept();
  }

  /** What it accepts until then is still taken. */
  private cancelAccept(): void {
    const { ring } = this.reactor;
    const at = ring.begin(Op.AsyncCancel, 0, 0, Kind.Ignored);
    ring.putTarget(at, this.index, Kind.Accept);
  }

  private accept(): void {
    const { ring } = this.reactor;
    const at = ring.begin(Op.Accept, this.fd, this.index, Kind.Accept);
    ring.putFlags(at, 0, IORING_ACCEPT_MULTISHOT);
    ring.putOperationFlags(at, SOCK_CLOEXEC);
  }

  private take(fd: Fd): void {
    this.reactor.introduce(this.reactor.adopt(fd, SocketState.Open, nobody), this.acceptor);
  }
}
