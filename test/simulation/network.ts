/** Connections of the simulated world: two ends, bytes on their way between them. They arrive in order, cut and joined
 *  anywhere, late; an end that does not read fills up; either may stop sending, close or reset. Models tcp(7). */
import { Errno } from '../../src/reactor/libc.js';
import type { World } from './world.js';

/** What an end takes in before its peer must wait. Bytes. */
const CAPACITY = 48 * 1024;
const ENDED = 0;

/** Whoever holds an end is told that there is something to look at. */
export interface EndUser {
  /** Bytes, the end, or a failure may be there. */
  onReadable(): void;
  /** There is room for more bytes again. */
  onWritable(): void;
}

export class End {
  user: EndUser | null = null;
  private readonly world: World;
  private peer: End | null = null;
  /** Arrived and not read. */
  private readonly inbox: Buffer[] = [];
  private inboxBytes = 0;
  /** Bytes on their way to the peer. */
  private underway = 0;
  private lastArrivalMs = 0;
  /** Why nothing more arrives: the peer has ended (0) or the connection has failed; null while it may. */
  private endErrno: number | null = null;
  private hasShut = false;
  private hasClosed = false;
  private wasFull = false;

  private constructor(world: World) {
    this.world = world;
  }

  /** The two ends of a new connection. */
  static pair(world: World): [End, End] {
    const [a, b] = [new End(world), new End(world)];
    a.peer = b;
    b.peer = a;
    return [a, b];
  }

  /** Sends as many of the bytes as there is room for; they must not change any more. Returns how many, or a negative
   *  errno. */
  write(bytes: Buffer): number {
    if (this.endErrno !== null && this.endErrno !== ENDED) return -Errno.EPIPE;
    if (this.hasShut || this.hasClosed) return -Errno.EPIPE;
    const room = CAPACITY - this.underway - (this.peer?.inboxBytes ?? 0);
    if (room <= 0) {
      this.wasFull = true;
      return -Errno.EAGAIN;
    }
    const { random, network } = this.world;
    const most = Math.min(room, bytes.length);
    const count = random.chance(network.partial) ? random.between(1, most) : most;
    let at = 0;
    while (at < count) {
      const piece = random.chance(network.splits) ? random.between(1, count - at) : count - at;
      this.carry(piece === bytes.length ? bytes : bytes.subarray(at, at + piece));
      at += piece;
    }
    if (count < bytes.length) this.wasFull = true;
    return count;
  }

  /** Up to so many bytes that have arrived; ENDED or an errno when there will be none; null when there are none now. */
  read(most: number): Buffer | number | null {
    const [first] = this.inbox;
    if (first === undefined) return this.endErrno;
    const taken = first.length <= most ? first : first.subarray(0, most);
    if (taken === first) this.inbox.shift();
    else this.inbox[0] = first.subarray(most);
    this.inboxBytes -= taken.length;
    const { peer } = this;
    if (peer?.wasFull === true) {
      peer.wasFull = false;
      this.world.after(this.latency(), () => peer.user?.onWritable());
    }
    return taken;
  }

  get isReadable(): boolean {
    return this.inbox.length > 0 || this.endErrno !== null;
  }

  /** The failure or end that is there, whatever stands before it. */
  get end(): number | null {
    return this.endErrno;
  }

  /** Nothing more is sent. */
  shut(): void {
    if (this.hasShut || this.hasClosed) return;
    this.hasShut = true;
    this.arrives(() => this.peer?.hasEnded(ENDED));
  }

  /** Gives the end back: what the peer sends from now on is answered with a reset, and so is what nobody has read. */
  close(resets = false): void {
    if (this.hasClosed) return;
    const isClean = this.inbox.length === 0 && !resets;
    if (isClean) this.shut();
    this.hasClosed = true;
    this.user = null;
    if (!isClean && this.endErrno === null) this.arrives(() => this.peer?.hasEnded(Errno.ECONNRESET));
  }

  private carry(bytes: Buffer): void {
    this.underway += bytes.length;
    this.arrives(() => {
      this.underway -= bytes.length;
      this.peer?.came(bytes);
    });
  }

  /** It happens at the peer, behind all that was sent before. */
  private arrives(act: () => void): void {
    this.lastArrivalMs = Math.max(this.lastArrivalMs, this.world.nowMs + this.latency());
    // A little later each time: what is planned for one moment happens in any order.
    this.lastArrivalMs += 0.000_001;
    this.world.after(this.lastArrivalMs - this.world.nowMs, act);
  }

  private came(bytes: Buffer): void {
    if (this.hasClosed) {
      const { peer } = this;
      if (peer !== null) this.world.after(this.latency(), () => peer.hasEnded(Errno.ECONNRESET));
      return;
    }
    const last = this.inbox.at(-1);
    if (last !== undefined && this.world.random.chance(this.world.network.joins))
      this.inbox[this.inbox.length - 1] = Buffer.concat([last, bytes]);
    else this.inbox.push(bytes);
    this.inboxBytes += bytes.length;
    this.user?.onReadable();
  }

  private hasEnded(errno: number): void {
    if (this.endErrno !== null && this.endErrno !== ENDED) return;
    this.endErrno = errno;
    this.user?.onReadable();
    if (errno !== ENDED) this.user?.onWritable();
  }

  /** Milliseconds; now and then very long. */
  private latency(): number {
    const { random, network } = this.world;
    const milliseconds = random.below(1000) / 1000;
    return random.chance(network.late) ? milliseconds * 200 : milliseconds;
  }
}
