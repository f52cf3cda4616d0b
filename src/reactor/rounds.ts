/** The order of a reactor's round, with the memory and timers of its sockets; what every implementation shares:
 *
 *      wait ─▶ what happened ─▶ who leaves ─▶ timers ─▶ replays of kept bytes ─▶ sends ─▶ wait
 *
 *  No session runs inside another's call: what one causes for another is queued for later in the round. */
import { Buffers } from './buffers.js';
import { Outbox } from './outbox.js';
import {
  type Acceptor,
  type DetachedSocket,
  NO_SSL,
  type Receiver,
  SEND_HIGH_WATER,
  type Socket,
} from './reactor.js';
import { Segments } from './segments.js';
import { type SocketHost, type StreamSocket } from './stream-socket.js';
import { type Timer, TimerHeap } from './timers.js';
import { TlsEngine } from './tls-engine.js';
import { TlsSocket } from './tls-socket.js';
import { Bug } from './words.js';

/** With so many buffers in use slow readers may hold only a little each. */
const BUFFERS_SCARCE = 8192;
/** What a session does about one event takes about so long: by that a round's length is judged without the clock. */
const EVENT_MS = 0.005;
const EVENTS_MAX = 1_000_000;
const SEND_HIGH_WATER_SCARCE = 16 * 1024;

export abstract class Rounds implements SocketHost {
  readonly buffers: Buffers;
  readonly segments: Segments;
  readonly outbox: Outbox;
  onWake: () => void = () => undefined;
  onBug: (error: unknown) => void = () => undefined;
  nowMs = 0;
  /** Events between two looks at the clock within a round. */
  private eventsPerLook = EVENTS_MAX;
  private eventsUntilLook = EVENTS_MAX;
  protected readonly timers = new TimerHeap();
  protected isStopped = false;
  private flushes = new SocketQueue();
  private flushing = new SocketQueue();
  private replays = new SocketQueue();
  private replaying = new SocketQueue();
  private readonly leaving = new Set<StreamSocket>();

  constructor(buffers = new Buffers()) {
    this.buffers = buffers;
    this.segments = new Segments(buffers);
    this.outbox = new Outbox(buffers);
  }

  /** Waits until something happens, or for so many milliseconds, reads the clock, and tells the sockets. */
  protected abstract waitAndDispatch(timeoutMs: number): void;
  /** What time it is, in milliseconds. */
  protected abstract clock(): number;

  setClockResolution(milliseconds: number): void {
    this.eventsPerLook = Math.min(EVENTS_MAX, Math.max(1, Math.round(milliseconds / EVENT_MS)));
    this.eventsUntilLook = this.eventsPerLook;
  }

  /** An event has been dealt with: in a long round the clock is looked at again. */
  protected eventEnds(): void {
    if (--this.eventsUntilLook > 0) return;
    this.eventsUntilLook = this.eventsPerLook;
    this.nowMs = this.clock();
  }

  get sendHighWater(): number {
    return this.buffers.inUse > BUFFERS_SCARCE ? SEND_HIGH_WATER_SCARCE : SEND_HIGH_WATER;
  }

  setTimer(timer: Timer, afterMs: number): void {
    this.timers.set(timer, this.nowMs + afterMs);
  }

  clearTimer(timer: Timer): void {
    this.timers.clear(timer);
  }

  secure(socket: Socket, engine: TlsEngine, receiver: Receiver): TlsSocket {
    return TlsSocket.begin(this, socket, engine, receiver);
  }

  attach({ fd, ssl }: DetachedSocket, receiver: Receiver): Socket {
    const plain = this.attachPlain(fd, receiver);
    plain.pause(false);
    return ssl === NO_SSL ? plain : TlsSocket.goOn(this, plain, TlsEngine.goOn(ssl), receiver);
  }

  /** Gives a descriptor of another reactor a place among the sockets. */
  protected abstract attachPlain(fd: number, receiver: Receiver): Socket;

  queueFlush(socket: StreamSocket): void {
    this.flushes.push(socket);
  }

  queueReplay(socket: StreamSocket): void {
    this.replays.push(socket);
  }

  queueLeave(socket: StreamSocket): void {
    this.leaving.add(socket);
  }

  run(): void {
    while (!this.isStopped) this.round();
  }

  stop(): void {
    this.isStopped = true;
  }

  flush(): void {
    this.flushSockets();
  }

  /** Whether something is due that was put off to the next round. */
  protected get isBusy(): boolean {
    if (this.replays.count > 0 || this.flushes.count > 0) return true;
    for (const socket of this.leaving) if (socket.hasNothingLeft) return true;
    return false;
  }

  protected round(): void {
    const timeoutMs = this.isBusy ? 0 : Math.max(0, this.timers.nextDeadlineMs - this.nowMs);
    this.waitAndDispatch(timeoutMs);
    if (this.leaving.size > 0) this.letLeave();
    this.fireTimers();
    this.replayAll();
    this.flushSockets();
  }

  protected flushSockets(): void {
    this.flushAll();
    this.flushAll(); // what TLS has made of what sessions sent
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

  private letLeave(): void {
    for (const socket of this.leaving) {
      try {
        if (!socket.isDetaching || socket.leaveIfQuiet()) this.leaving.delete(socket);
      } catch (error) {
        this.onBug(error);
      }
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
