/** The third reactor: the same rounds and sockets as io_uring's and epoll's, on the simulated network and in virtual
 *  time. The data plane runs on it unchanged. */
import { Buffers, NO_BUFFER, SMALL_BYTES } from '../../src/reactor/buffers.js';
import { Errno, type Fd } from '../../src/reactor/libc.js';
import {
  type Acceptor,
  type Listener,
  type ListeningSocket,
  NO_SSL,
  type PeerAddress,
  type Reactor,
  type ReactorUsage,
  type Receiver,
  type Socket,
  type SocketAddress,
  type SocketOptions,
} from '../../src/reactor/reactor.js';
import { Rounds } from '../../src/reactor/rounds.js';
import { NONE } from '../../src/reactor/segments.js';
import { nobody, SocketState, StreamSocket } from '../../src/reactor/stream-socket.js';
import type { Timer, TimerTarget } from '../../src/reactor/timers.js';
import type { End } from './network.js';
import { Broken, type World } from './world.js';

/** Memory of reactors that are gone: to map it anew for each worker that is replaced takes long. */
const spare: Buffers[] = [];

/** What listens somewhere in the world. Gets one end; null: nobody answers, an errno: refused. */
export type Destination = () => End | number | null;

export class SimulatedReactor extends Rounds implements Reactor {
  readonly name = 'simulated';
  readonly wakeFd = -1 as Fd; // nothing writes to it
  readonly kernel: SimulatedKernel;
  private readonly world: World;
  private readonly destination: (address: SocketAddress) => Destination;
  private readonly sockets = new Set<SimulatedSocket>();
  private readonly ready = new Set<SimulatedSocket>();
  private readonly outcomes: (() => void)[] = [];
  private acceptor: Acceptor | null = null;
  private plannedMs = Number.POSITIVE_INFINITY;
  private usedMs = 0;
  private stoppedUntilMs = 0;
  private hasRunSince = false;
  private isHalted = false;
  private hasGone = false;
  /** It accepts connections from now on. */
  onListening: () => void = () => undefined;
  /** It does not any more, and this one has come. */
  onUnaccepted: (end: End) => void = () => undefined;
  /** Connections that have come and are not accepted yet. */
  private readonly backlog: End[] = [];

  constructor(
    world: World,
    destination: (address: SocketAddress) => Destination,
    kernel = new SimulatedKernel(),
  ) {
    super(new Buffers(spare.pop()));
    this.world = world;
    this.kernel = kernel;
    this.destination = destination;
  }

  /** As busy as chance wants, so that clients go to every worker. */
  cpuMs(): number {
    this.usedMs += this.world.random.below(this.kernel.busyMaxMs);
    return this.usedMs;
  }

  random(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.world.random.below(256));
  }

  listen(address: SocketAddress, _backlog: number, _options: SocketOptions, acceptor: Acceptor): Listener {
    return this.acceptFrom({ fd: -1, port: 1, address }, acceptor);
  }

  acceptFrom({ port }: ListeningSocket, acceptor: Acceptor): Listener {
    this.acceptor = acceptor;
    this.onListening();
    const close = (): void => {
      this.acceptor = null;
    };
    return { port, close, release: close };
  }

  /** A connection has come in; false when nobody listens. */
  take(end: End): boolean {
    if (this.acceptor === null) return false;
    this.backlog.push(end);
    this.later(() => {
      for (const next of this.backlog.splice(0, 1)) {
        if (this.acceptor === null) this.onUnaccepted(next);
        else this.introduce(this.adopt(next, SocketState.Open, nobody, true), this.acceptor);
      }
    });
    return true;
  }

  connect(address: SocketAddress, _options: SocketOptions, receiver: Receiver): Socket {
    const reached = this.destination(address)();
    const end = typeof reached === 'number' ? null : reached;
    const socket = this.adopt(end, SocketState.Connecting, receiver, false);
    if (reached === null) return socket; // it hangs
    const errno = typeof reached === 'number' ? reached : 0;
    this.world.after(this.world.random.below(3000) / 1000, () => this.later(() => socket.connected(errno)));
    return socket;
  }

  protected attachPlain(fd: number, receiver: Receiver): Socket {
    const { end, resets } = this.kernel.claim(fd);
    return this.adopt(end, SocketState.Open, receiver, resets);
  }

  /** Another thread has posted something: `onWake` is called in a round to come. */
  post(): void {
    this.later(() => this.onWake());
  }

  usage(): ReactorUsage {
    return {
      sockets: this.sockets.size,
      buffers: this.buffers.inUse,
      segments: this.segments.inUse,
      timers: this.timers.size,
    };
  }

  /** Whether a timer is set that one of these is to hear of. */
  hasTimerOf(targets: readonly TimerTarget[]): boolean {
    const set: readonly Timer[] = Reflect.get(this.timers, 'heap');
    return set.some(({ target }) => targets.includes(target));
  }

  /** It gets no processor for so long: nothing runs, and the clock goes on. */
  holdUp(milliseconds: number): void {
    this.stoppedUntilMs = this.world.nowMs + milliseconds;
  }

  /** Its thread is not there any more. Returns the connections that it has not accepted. */
  halt(): readonly End[] {
    this.isHalted = true;
    this.acceptor = null;
    return this.backlog.splice(0);
  }

  /** The kernel closes what is still open. */
  closeAll(): void {
    for (const each of this.sockets) each.lose();
    if (!this.hasGone) spare.push(this.buffers);
    this.hasGone = true;
  }

  /** Whether it has had a round since this was asked last. */
  hasRun(): boolean {
    const { hasRunSince } = this;
    this.hasRunSince = false;
    return hasRunSince;
  }

  /** Something has happened to the socket: it is looked at in the next round. */
  isReady(socket: SimulatedSocket): void {
    this.ready.add(socket);
    this.wake();
  }

  closeSocket(socket: SimulatedSocket): void {
    this.sockets.delete(socket);
    this.ready.delete(socket);
  }

  get chance(): World['random'] {
    return this.world.random;
  }

  /** After a while, in a round of its own. */
  soon(act: () => void): void {
    this.world.after(this.world.random.below(1000) / 1000, () => this.later(act));
  }

  protected clock(): number {
    return this.world.nowMs;
  }

  protected waitAndDispatch(): void {
    this.nowMs = this.clock();
    if (this.outcomes.length > 0) for (const act of this.outcomes.splice(0)) act();
    if (this.ready.size === 0) return;
    const sockets = [...this.ready];
    this.ready.clear();
    for (let left = sockets.length; left > 0; left--) {
      const index = left > 1 ? this.world.random.below(left) : 0;
      const socket = sockets[index];
      const last = sockets.pop();
      if (index < left - 1 && last !== undefined) sockets[index] = last;
      if (socket === undefined || !this.sockets.has(socket)) continue;
      try {
        socket.happened();
      } catch (error) {
        this.sessionFailed(socket, error);
      }
    }
  }

  /** To be called after the world has been changed from outside of a round, as by setting a timer. */
  wake(): void {
    this.plan(this.world.nowMs + this.world.random.below(200) / 1000);
  }

  private later(act: () => void): void {
    this.outcomes.push(act);
    this.wake();
  }

  private plan(atMs: number): void {
    if (this.plannedMs <= atMs) return;
    this.plannedMs = atMs;
    this.world.after(atMs - this.world.nowMs, () => {
      if (this.plannedMs !== atMs) return this.world.nothingHappened(); // an earlier one was planned since
      if (this.isHalted) return this.world.nothingHappened();
      this.plannedMs = Number.POSITIVE_INFINITY;
      if (this.stoppedUntilMs > this.world.nowMs) {
        this.world.nothingHappened();
        return this.plan(this.stoppedUntilMs);
      }
      this.round();
      this.hasRunSince = true;
      if (this.isBusy || this.ready.size > 0 || this.outcomes.length > 0) this.wake();
      const { nextDeadlineMs } = this.timers;
      // Timers are late at times, never early.
      if (nextDeadlineMs < Number.POSITIVE_INFINITY)
        this.plan(Math.max(this.world.nowMs, nextDeadlineMs) + this.world.random.below(2000) / 1000);
    });
  }

  private adopt(end: End | null, state: SocketState, receiver: Receiver, resets: boolean): SimulatedSocket {
    const socket = new SimulatedSocket(this, end, state, receiver, resets);
    this.sockets.add(socket);
    return socket;
  }
}

interface Underway {
  readonly end: End;
  readonly resets: boolean;
  /** In whose table of descriptors it is. */
  readonly owner: SimulatedReactor | null;
}

/** Connections between two reactors, by the number that stands for them. */
export class SimulatedKernel {
  /** See Scenario. */
  busyMaxMs = 1200;
  private readonly underway = new Map<number, Underway>();
  private lastFd = 0;

  release(end: End, resets: boolean, owner: SimulatedReactor): number {
    this.underway.set(++this.lastFd, { end, resets, owner });
    return this.lastFd;
  }

  /** From now on it is the other's to close; null: it is on its way between processes. */
  give(fd: number, owner: SimulatedReactor | null): void {
    const given = this.underway.get(fd);
    if (given === undefined) throw new Broken(`descriptor ${fd} is given away that was not detached`);
    this.underway.set(fd, { ...given, owner });
  }

  /** All descriptors of a thread that has died are closed. */
  closeAll(owner: SimulatedReactor): void {
    for (const [fd, each] of this.underway) {
      if (each.owner !== owner) continue;
      this.underway.delete(fd);
      each.end.close(each.resets);
    }
    owner.closeAll();
  }

  claim(fd: number): Underway {
    const claimed = this.underway.get(fd);
    if (claimed === undefined) throw new Broken(`descriptor ${fd} is attached that was not detached`);
    this.underway.delete(fd);
    return claimed;
  }

  /** Nobody takes it. */
  close(fd: number): void {
    const { end, resets } = this.claim(fd);
    end.close(resets);
  }

  get connectionsUnderway(): number {
    return this.underway.size;
  }
}

class SimulatedSocket extends StreamSocket {
  private readonly reactor: SimulatedReactor;
  private readonly connection: End | null;
  /** SO_LINGER 0: closing it resets the connection. */
  private readonly resets: boolean;
  private isReceiving = false;
  /** It has been receiving, if it is not any more. */
  private mayHaveReceived = false;
  private isBlocked = false;
  private isSending = false;
  private hasLeft = false;

  constructor(
    reactor: SimulatedReactor,
    connection: End | null,
    state: SocketState,
    receiver: Receiver,
    resets: boolean,
  ) {
    super(reactor, state, receiver);
    this.reactor = reactor;
    this.connection = connection;
    this.resets = resets;
    if (connection === null) return;
    connection.user = {
      onReadable: () => reactor.isReady(this),
      onWritable: () => {
        this.isBlocked = false;
        if (this.unsent > 0) this.wantFlush();
        reactor.wake();
      },
    };
  }

  /** The outcome of a connect: 0 or an errno. */
  connected(errno: number): void {
    if (this.state !== SocketState.Connecting) return;
    if (errno !== 0) return this.ended(errno);
    this.state = SocketState.Open;
    this.receiver.onConnected();
    if (this.state !== SocketState.Open) return;
    if (this.unsent > 0) this.wantFlush();
    if (this.wantsBytes) this.startReceiving();
  }

  startReceiving(): void {
    if (this.isReceiving || this.state === SocketState.Closing) return;
    this.isReceiving = true;
    this.mayHaveReceived = true;
    if (this.connection?.isReadable === true) this.reactor.isReady(this);
  }

  protected stopReceiving(): void {
    this.isReceiving = false;
  }

  /** What the network says of this socket. */
  happened(): void {
    const { connection } = this;
    if (connection === null || this.state === SocketState.Connecting || this.state === SocketState.Closing)
      return;
    if (this.isReceiving && this.wantsBytes) return this.receive(connection);
    // The kernel, told to stop, may have received it already.
    if (this.mayHaveReceived && this.isDetaching && this.reactor.chance.chance(0.5))
      return this.receive(connection);
    this.stopReceiving();
    if (connection.end === null) return;
    if (this.hasPeerEnded ? connection.end !== 0 : this.seesEnd && this.isPaused) this.ended(connection.end);
  }

  private receive(connection: End): void {
    const { buffers } = this.host;
    const buffer = this.reactor.chance.chance(0.01) ? NO_BUFFER : buffers.takeSmall();
    if (buffer === NO_BUFFER) return this.reactor.soon(() => this.reactor.isReady(this)); // all are in use
    const came = connection.read(
      this.reactor.chance.chance(0.1) ? this.reactor.chance.between(1, 64) : SMALL_BYTES,
    );
    try {
      if (typeof came === 'object' && came !== null) {
        const begin = buffers.beginOf(buffer);
        buffers.memory.set(came, begin);
        this.deliver(begin, came.length);
      }
    } finally {
      buffers.release(buffer);
    }
    if (typeof came === 'number') this.ended(came);
    else if (connection.isReadable && this.state !== SocketState.Closing) this.reactor.isReady(this);
  }

  /** At once, as epoll does it, or in a while, as io_uring does. */
  protected startSending(): void {
    if (this.isBlocked || this.isSending) return;
    if (this.reactor.chance.chance(0.5)) return this.write();
    this.isSending = true;
    this.lastInFlight = this.sendTail;
    this.reactor.soon(() => {
      this.isSending = false;
      this.lastInFlight = NONE;
      if (this.state === SocketState.Closing) this.release();
      else this.write();
    });
  }

  private write(): void {
    const { segments, buffers } = this.host;
    const { connection } = this;
    if (connection === null || this.sendHead === NONE) return;
    const begin = segments.beginOf(this.sendHead);
    const end = begin + segments.lengthOf(this.sendHead);
    const result = connection.write(Buffer.from(buffers.memory.subarray(begin, end)));
    if (result > 0) this.sent(result);
    else if (result === -Errno.EAGAIN) this.isBlocked = true;
    else this.sendFailed(-result);
  }

  protected shutSending(): void {
    this.connection?.shut();
  }

  /** The network tells of it unasked. */
  protected watchFailure(): void {}

  peerAddress(): PeerAddress {
    return { host: '127.0.0.1', port: 1, isUnix: false };
  }

  /** Its thread has died. */
  lose(): void {
    this.connection?.close(this.resets);
  }

  leaveIfQuiet(): boolean {
    // What the kernel has been asked to receive is called back first, which takes a round or more.
    if (!this.hasNothingLeft || this.isSending || this.reactor.chance.chance(0.4)) return false;
    const { connection } = this;
    if (connection === null) throw new Broken('a socket without a connection leaves');
    connection.user = null;
    this.hasLeft = true;
    this.reactor.closeSocket(this);
    this.left({ fd: this.reactor.kernel.release(connection, this.resets, this.reactor), ssl: NO_SSL });
    return true;
  }

  protected release(): void {
    if (this.hasLeft || this.isSending) return;
    this.hasLeft = true;
    this.dropUnsent();
    this.connection?.close(this.resets);
    this.reactor.closeSocket(this);
  }
}
