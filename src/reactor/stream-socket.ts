/** What the sockets of every reactor have in common: the queue of what is to be sent, the bytes that wait until the
 *  receiver wants them, pausing, and the way to the end. Not for: system calls; the implementations make them.
 *
 *      send ──▶ [ segment ▸ segment ▸ segment ] ──▶ one operation in flight ──▶ kernel
 *      kernel ──▶ onBytes, or, while paused, [ segment ▸ segment ] until HELD_MAX, then reading stops
 */
import { type Buffers, LOOP_MAX, SMALL_BYTES } from './buffers.js';
import { Errno } from './libc.js';
import { COPY_MAX, type Outbox } from './outbox.js';
import {
  type DetachedSocket,
  type Leaver,
  type PeerAddress,
  type Receiver,
  SEND_LOW_WATER,
  type Socket,
} from './reactor.js';
import { NONE, type Segments } from './segments.js';
import { Timer, type TimerTarget } from './timers.js';
import { Bug } from './words.js';

/** Up to COPY_MAX bytes are copied unless no more buffers than this are in use. */
const BUFFERS_PLENTY = 256;
/** … or no more than this, for those that wait: it may be for long. */
const BUFFERS_TO_WAIT = 64;
/** A paused socket keeps this many bytes before it stops reading. */
const HELD_MAX = 2 * SMALL_BYTES;

/** What is the case with a socket. Bits of one number, since with thousands of sockets every cache line of one is a cold
 *  one. */
const enum Flag {
  Paused = 1 << 0,
  /** While paused: the peer's end is told at once, and not only after what was kept. */
  SeesEnd = 1 << 1,
  FlushQueued = 1 << 2,
  ReplayQueued = 1 << 3,
  Congested = 1 << 4,
  OutOfMemory = 1 << 5,
  SendBroken = 1 << 6,
  Detaching = 1 << 7,
  /** The end has come, but kept bytes are to be delivered first. */
  EndKept = 1 << 8,
  // How far it has ended in each direction, when its receiver outlives the peer's end:
  /** The peer sends nothing more, and the receiver has been told. */
  PeerEnded = 1 << 9,
  /** The receiver sends nothing more … */
  EndWanted = 1 << 10,
  /** … and the peer has been told. */
  EndTold = 1 << 11,
}
/** How long closeAfterSend waits for the peer: to take more of the bytes, then to close. */
const LINGER_MS = 2000;

export const enum SocketState {
  Connecting,
  Open,
  /** Sends the rest, then ends the sending side; what arrives is thrown away. */
  Draining,
  /** The sending side has ended; waits for the peer's end. */
  Lingering,
  /** Nobody's any more; waits for what is in flight. */
  Closing,
}

/** What sockets share and need from their reactor. */
export interface SocketHost {
  readonly buffers: Buffers;
  readonly segments: Segments;
  /** Small messages of all sockets are written into it one behind the other. */
  readonly outbox: Outbox;
  /** SEND_HIGH_WATER, or less while buffers are scarce. */
  readonly sendHighWater: number;
  setTimer(timer: Timer, afterMs: number): void;
  clearTimer(timer: Timer): void;
  /** Has `flush` called at the end of the round. */
  queueFlush(socket: StreamSocket): void;
  /** Has `replay` called in this round or the next. */
  queueReplay(socket: StreamSocket): void;
  /** Has `leaveIfQuiet` called each round until it has left or stays. */
  queueLeave(socket: StreamSocket): void;
}

/** Receives for sockets that have no receiver yet, or no longer. */
export const nobody: Receiver = {
  onBytes: (_bytes, _begin, end) => end,
  onConnected: () => undefined,
  onWritable: () => undefined,
  onClosed: () => undefined,
};

/** What is known of a connection's end, or of its way out of this reactor. */
class Parting {
  /** Of the end that is kept. */
  endErrno = 0;
  /** Why sending is broken: the kernel tells only once. */
  sendErrno = 0;
  lingerTimer: Timer | null = null;
  leaver: Leaver | null = null;
}

export abstract class StreamSocket implements Socket, TimerTarget {
  // What each message touches comes first: with thousands of sockets every cache line of one is a cold one.
  receiver: Receiver;
  protected state: SocketState;
  private flags = 0;
  protected readonly host: SocketHost;
  /** Received, and not yet delivered. */
  private heldHead = NONE;
  private heldTail = NONE;
  private heldBytes = 0;
  unsent = 0;
  /** Segments still to send; the first ones may be in flight. */
  protected sendHead = NONE;
  protected sendTail = NONE;
  /** The last segment in flight must not grow: its length is in the kernel's hands. */
  protected lastInFlight = NONE;
  /** Made when the connection begins to end, or to leave. */
  private parting: Parting | null = null;

  constructor(host: SocketHost, state: SocketState, receiver: Receiver) {
    this.host = host;
    this.state = state;
    this.receiver = receiver;
  }

  /** Begins to receive, or goes on. Does nothing when it already does. */
  protected abstract startReceiving(): void;
  /** Stops receiving as soon as can be. What has arrived until then is still delivered. */
  protected abstract stopReceiving(): void;
  /** Sends from `sendHead` on. Called only while nothing is in flight. */
  protected abstract startSending(): void;
  /** Tells the peer that nothing more comes. */
  protected abstract shutSending(): void;
  /** The peer has ended: from now on only a failure of the connection is of interest, and is `ended`. */
  protected abstract watchFailure(): void;
  /** Closes the descriptor once nothing is in flight. */
  protected abstract release(): void;
  abstract peerAddress(): PeerAddress;

  private has(flag: Flag): boolean {
    return (this.flags & flag) !== 0;
  }

  private set(flag: Flag): void {
    this.flags |= flag;
  }

  private clear(flag: Flag): void {
    this.flags &= ~flag;
  }

  protected get isPaused(): boolean {
    return this.has(Flag.Paused);
  }

  /** While paused: whether the peer's end is told at once, or only after what was kept. */
  protected get seesEnd(): boolean {
    return this.has(Flag.SeesEnd);
  }

  get isCongested(): boolean {
    return this.has(Flag.Congested);
  }

  get isTls(): boolean {
    return false;
  }

  get tlsFailure(): string {
    return '';
  }

  get peerEndPoint(): Uint8Array {
    return new Uint8Array(0);
  }

  send(bytes: Uint8Array, begin: number, end: number): void {
    if (this.state > SocketState.Open || this.has(Flag.SendBroken) || begin >= end) return;
    const length = end - begin;
    this.unsent += length;
    if (this.unsent >= this.host.sendHighWater) this.set(Flag.Congested);
    if (bytes === this.host.buffers.memory) this.appendReceived(bytes, begin, end);
    else this.appendCopy(bytes, begin, end);
    this.wantFlush();
  }

  /** Begins to receive for who accepted it, unless he has closed it already. */
  begin(receiver: Receiver): void {
    if (this.state !== SocketState.Open) return;
    this.receiver = receiver;
    if (this.wantsBytes) this.startReceiving();
  }

  pause(seesEnd: boolean): void {
    this.flags = (this.flags & ~Flag.SeesEnd) | Flag.Paused | (seesEnd ? Flag.SeesEnd : 0);
  }

  resume(): void {
    if (!this.isPaused) return;
    this.clear(Flag.Paused);
    this.wantReplay();
  }

  close(): void {
    if (this.state === SocketState.Closing) return;
    this.state = SocketState.Closing;
    this.receiver = nobody;
    this.clear(Flag.Detaching);
    this.dropHeld();
    if (this.parting !== null) this.stopParting(this.parting);
    this.release();
  }

  closeAfterSend(): void {
    if (this.state > SocketState.Open) return;
    if (this.state === SocketState.Connecting) return this.close();
    this.state = SocketState.Draining;
    this.receiver = nobody;
    this.clear(Flag.Paused | Flag.Detaching);
    this.dropHeld();
    if (!this.hasPeerEnded) this.startReceiving(); // the peer's end is to be seen
    this.parts().lingerTimer = new Timer(this);
    this.linger();
    this.wantFlush(); // not now: of what was sent in this round it may be unknown yet whether the kernel took it
  }

  endSending(): void {
    if (this.state !== SocketState.Open || this.endsSending) return;
    this.set(Flag.EndWanted);
    this.wantFlush(); // not now, as above
  }

  onTimer(_timer: Timer): void {
    this.close();
  }

  detach(leaver: Leaver): void {
    this.parts().leaver = leaver;
    this.set(Flag.Detaching);
    this.stopReceiving();
    this.host.queueLeave(this);
  }

  stay(): void {
    if (!this.isDetaching) return;
    this.clear(Flag.Detaching);
    if (this.wantsBytes) this.startReceiving();
  }

  get isDetaching(): boolean {
    return this.has(Flag.Detaching);
  }

  /** Whether nothing of it waits for its peer or its receiver any more. */
  get hasNothingLeft(): boolean {
    return this.unsent === 0 && this.heldHead === NONE;
  }

  /** Leaves the reactor; false while something of it is left, or in the kernel's hands. */
  abstract leaveIfQuiet(): boolean;

  /** It has left. */
  protected left(detached: DetachedSocket): void {
    const { parting } = this;
    this.clear(Flag.Detaching);
    this.state = SocketState.Closing;
    this.receiver = nobody;
    parting?.leaver?.onDetached(detached);
  }

  unread(bytes: Uint8Array, begin: number, end: number): void {
    const { outbox, segments, buffers } = this.host;
    for (let at = begin; at < end; ) {
      const length = outbox.room(end - at);
      if (length === 0) return this.runOutOfMemory(0);
      buffers.memory.set(bytes.subarray(at, at + length), outbox.at);
      this.heldTail = segments.append(this.heldTail, outbox.at, length);
      if (this.heldHead === NONE) this.heldHead = this.heldTail;
      this.heldBytes += length;
      outbox.at += length;
      at += length;
    }
    this.wantReplay();
  }

  kept(lengthMax: number): Uint8Array {
    const { segments, buffers } = this.host;
    const bytes = new Uint8Array(Math.min(lengthMax, this.heldBytes));
    let segment = this.heldHead;
    for (let filled = 0; filled < bytes.length; segment = segments.nextOf(segment)) {
      const begin = segments.beginOf(segment);
      const length = Math.min(segments.lengthOf(segment), bytes.length - filled);
      bytes.set(buffers.memory.subarray(begin, begin + length), filled);
      filled += length;
    }
    return bytes;
  }

  /** The receiver has failed: it is told of the end, and the connection closes. */
  abort(): void {
    this.dropHeld();
    this.ended(Errno.EPROTO);
  }

  /** The reactor's end of round: sends what was queued unless something is on its way. */
  flush(): void {
    this.clear(Flag.FlushQueued);
    if (this.has(Flag.OutOfMemory)) return this.sendFailed(Errno.ENOBUFS);
    if (this.lastInFlight !== NONE) return;
    if (this.unsent === 0) {
      if (this.state === SocketState.Draining) this.lingerNow();
      else if (this.endsSending) this.endNow();
      return;
    }
    if (this.state === SocketState.Open || this.state === SocketState.Draining) this.startSending();
  }

  /** Delivers what was kept while paused. */
  replay(): void {
    this.clear(Flag.ReplayQueued);
    const { segments } = this.host;
    if (this.heldHead === NONE && !this.isPaused && this.state === SocketState.Open) {
      this.receiver.onBytes(this.host.buffers.memory, 0, 0);
    }
    while (!this.isPaused && this.heldHead !== NONE) {
      const segment = this.heldHead;
      const begin = segments.beginOf(segment);
      const length = segments.lengthOf(segment);
      const read = this.receiver.onBytes(this.host.buffers.memory, begin, begin + length) - begin;
      if (this.state !== SocketState.Open) return; // closed meanwhile: nothing is kept any more
      this.heldBytes -= read;
      if (read < length) {
        if (!this.isPaused) throw new Bug('a receiver left bytes unread without pausing');
        segments.advance(segment, read);
        return;
      }
      this.heldHead = segments.drop(segment);
    }
    if (this.heldHead !== NONE) return;
    this.heldTail = NONE;
    if (this.isPaused || this.state !== SocketState.Open) return;
    if (this.has(Flag.EndKept)) this.ended(this.parts().endErrno);
    else if (this.wantsBytes) this.startReceiving();
  }

  /** Bytes arrived in `memory`; the caller holds the buffer until this returns. */
  protected deliver(begin: number, length: number): void {
    if (this.state !== SocketState.Open) return; // Draining and later: thrown away
    if (this.isPaused || this.heldHead !== NONE) return this.keep(begin, length);
    const end = begin + length;
    const read = this.receiver.onBytes(this.host.buffers.memory, begin, end);
    if (read === end || this.state !== SocketState.Open) return;
    if (!this.isPaused) throw new Bug('a receiver left bytes unread without pausing');
    this.keep(read, end - read);
  }

  /** Whether more should be read for now. */
  protected get wantsBytes(): boolean {
    if (this.has(Flag.EndKept | Flag.Detaching)) return false;
    if (this.state === SocketState.Open) return !this.isPaused || this.heldBytes < HELD_MAX;
    return this.state === SocketState.Draining || this.state === SocketState.Lingering;
  }

  /** The kernel took bytes from the head of the queue. */
  protected sent(bytes: number): void {
    const { segments } = this.host;
    this.unsent -= bytes;
    this.lastInFlight = NONE;
    let left = bytes;
    while (left > 0) {
      const length = segments.lengthOf(this.sendHead);
      if (length > left) {
        segments.advance(this.sendHead, left);
        break;
      }
      left -= length;
      this.sendHead = segments.drop(this.sendHead);
    }
    if (this.sendHead === NONE) this.sendTail = NONE;
    if (bytes > 0 && this.parting !== null) this.linger();
    if (this.unsent > 0) this.wantFlush();
    else if (this.state === SocketState.Draining) this.lingerNow();
    if (this.isCongested && this.unsent <= SEND_LOW_WATER) {
      this.clear(Flag.Congested);
      this.receiver.onWritable();
    }
    if (this.unsent === 0 && this.endsSending) this.endNow();
  }

  /** Puts segments back that had been taken off the queue to be sent. */
  protected putInFront(head: number, tail: number, length: number): void {
    this.host.segments.join(tail, this.sendHead);
    this.sendHead = head;
    if (this.sendTail === NONE) this.sendTail = tail;
    this.unsent += length;
  }

  /** The peer has ended (0) or the connection has failed. */
  protected ended(errno: number): void {
    if (this.state === SocketState.Closing) return;
    if (errno === 0 && this.state === SocketState.Draining) {
      this.keepEnd(errno); // it may still read: the rest is sent
      this.clear(Flag.SeesEnd);
      this.stopReceiving();
      return;
    }
    const isOutlived = errno === 0 && this.outlivesEnd;
    if (this.heldHead !== NONE && (isOutlived || !(this.isPaused && this.seesEnd))) {
      return this.keepEnd(errno);
    }
    if (isOutlived) return this.peerEnded();
    const { receiver } = this;
    // With SO_LINGER 0 closing would answer a peer that has ended properly with a reset.
    if (errno === 0 && this.state === SocketState.Open) this.shutSending();
    this.close();
    receiver.onClosed(errno === 0 ? (this.parting?.sendErrno ?? 0) : errno);
  }

  /** Nothing more can be sent. What the peer has sent before is still read: the end shows there. */
  protected sendFailed(errno: number): void {
    this.lastInFlight = NONE;
    this.set(Flag.SendBroken);
    this.parts().sendErrno = errno;
    this.dropUnsent();
    if (this.state !== SocketState.Open || this.hasPeerEnded || errno === Errno.ENOBUFS) this.ended(errno);
  }

  /** Everything that is in no list any more; the implementation calls it when the kernel holds nothing. */
  protected dropUnsent(): void {
    const { segments } = this.host;
    while (this.sendHead !== NONE) this.sendHead = segments.drop(this.sendHead);
    this.sendTail = NONE;
    this.unsent = 0;
  }

  private parts(): Parting {
    this.parting ??= new Parting();
    return this.parting;
  }

  private keepEnd(errno: number): void {
    this.set(Flag.EndKept);
    this.parts().endErrno = errno;
  }

  /** The peer has so long from now on. */
  private linger(): void {
    const timer = this.parting?.lingerTimer ?? null;
    if (timer !== null) this.host.setTimer(timer, LINGER_MS);
  }

  private stopParting(parting: Parting): void {
    if (parting.lingerTimer !== null) this.host.clearTimer(parting.lingerTimer);
    parting.lingerTimer = null;
    parting.leaver = null;
  }

  private lingerNow(): void {
    this.state = SocketState.Lingering;
    this.shutSending();
    if (this.has(Flag.EndKept)) this.close(); // the peer has ended before
  }

  /** The peer's end has come, and the receiver knows. */
  protected get hasPeerEnded(): boolean {
    return this.has(Flag.PeerEnded);
  }

  /** The receiver has ended its side; the peer may not know yet. */
  protected get endsSending(): boolean {
    return this.has(Flag.EndWanted);
  }

  /** Whether the connection goes on when the peer ends. */
  private get outlivesEnd(): boolean {
    return this.receiver.onEnd !== undefined && this.state === SocketState.Open && !this.has(Flag.SendBroken);
  }

  private peerEnded(): void {
    if (this.hasPeerEnded) return; // a resume comes here again
    this.set(Flag.PeerEnded);
    this.keepEnd(0);
    this.watchFailure();
    this.receiver.onEnd?.();
    this.closeIfBothEnded();
  }

  /** All is sent, and the receiver wants no more. */
  private endNow(): void {
    if (this.state !== SocketState.Open || this.has(Flag.EndTold)) return;
    this.set(Flag.EndTold);
    this.shutSending();
    this.closeIfBothEnded();
  }

  private closeIfBothEnded(): void {
    if (!this.has(Flag.EndTold) || !this.hasPeerEnded || this.state !== SocketState.Open) return;
    const { receiver } = this;
    this.close();
    receiver.onClosed(0);
  }

  protected wantFlush(): void {
    if (this.has(Flag.FlushQueued) || this.lastInFlight !== NONE) return;
    this.set(Flag.FlushQueued);
    this.host.queueFlush(this);
  }

  private wantReplay(): void {
    if (this.has(Flag.ReplayQueued)) return;
    this.set(Flag.ReplayQueued);
    this.host.queueReplay(this);
  }

  /** Received bytes go out from where they lie, or from a copy when they would cost a buffer or a segment more. */
  private appendReceived(bytes: Uint8Array, begin: number, end: number): void {
    const length = end - begin;
    if (this.extendTail(begin, length)) return;
    const mayHold = this.sendTail === NONE && this.host.buffers.inUse < BUFFERS_PLENTY;
    if (mayHold || length > COPY_MAX) this.append(begin, length);
    else this.appendCopy(bytes, begin, end);
  }

  private appendCopy(bytes: Uint8Array, begin: number, end: number): void {
    const { outbox, buffers } = this.host;
    const { memory } = buffers;
    for (let at = begin; at < end; ) {
      const length = outbox.room(end - at);
      if (length === 0) return this.runOutOfMemory(end - at);
      const to = outbox.at;
      if (bytes === memory) buffers.copy(to, at, length);
      else if (length <= LOOP_MAX) for (let i = 0; i < length; i++) memory[to + i] = bytes[at + i] as number;
      else memory.set(bytes.subarray(at, at + length), to);
      outbox.at = to + length;
      if (!this.extendTail(to, length)) this.append(to, length);
      at += length;
    }
  }

  /** The peer cannot be told all of it: the connection ends at the end of the round. */
  protected runOutOfMemory(lost: number): void {
    this.unsent -= lost;
    this.set(Flag.OutOfMemory);
  }

  /** Joins bytes to the last segment when they follow it in the same buffer. */
  private extendTail(begin: number, length: number): boolean {
    const tail = this.sendTail;
    if (tail === NONE || tail === this.lastInFlight) return false;
    const { segments, buffers } = this.host;
    const tailBegin = segments.beginOf(tail);
    if (tailBegin + segments.lengthOf(tail) !== begin || buffers.at(tailBegin) !== buffers.at(begin))
      return false;
    segments.extend(tail, length);
    return true;
  }

  private append(begin: number, length: number): void {
    this.sendTail = this.host.segments.append(this.sendTail, begin, length);
    if (this.sendHead === NONE) this.sendHead = this.sendTail;
  }

  /** Keeps bytes until `resume`: small ones are copied together where each would hold a buffer of the many in use. */
  private keep(begin: number, length: number): void {
    const { outbox, segments, buffers } = this.host;
    let from = begin;
    const mayHold = length > COPY_MAX || buffers.inUse < BUFFERS_TO_WAIT;
    if (!mayHold && outbox.room(length) === length) {
      from = outbox.at;
      buffers.copy(from, begin, length);
      outbox.at += length;
    }
    this.heldTail = segments.append(this.heldTail, from, length);
    if (this.heldHead === NONE) this.heldHead = this.heldTail;
    this.heldBytes += length;
    if (!this.isPaused) this.wantReplay();
    if (!this.wantsBytes) this.stopReceiving();
  }

  private dropHeld(): void {
    const { segments } = this.host;
    while (this.heldHead !== NONE) this.heldHead = segments.drop(this.heldHead);
    this.heldTail = NONE;
    this.heldBytes = 0;
  }
}
