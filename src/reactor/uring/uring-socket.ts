/** A socket on io_uring: at most one receive, one send and one connect of it are in the kernel at a time. Small
 *  answers come by a multishot receive into small buffers; while they are large, by single receives into large ones,
 *  which cost less per byte. */

import { LARGE_BYTES, NO_BUFFER, SMALL_BYTES } from '../buffers.js';
import { KernelSocket } from '../kernel-socket.js';
import {
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F_BUFFER,
  IORING_CQE_F_MORE,
  IORING_CQE_F_SOCK_NONEMPTY,
  IORING_POLL_ADD_MULTI,
  IORING_RECV_MULTISHOT,
  IOSQE_BUFFER_SELECT,
  IOSQE_CQE_SKIP_SUCCESS,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_WAITALL,
  Op,
  POLLERR,
  POLLHUP,
  POLLRDHUP,
} from '../kernel-structs.js';
import { Errno, type Fd, socketError } from '../libc.js';
import type { Receiver } from '../reactor.js';
import { NONE } from '../segments.js';
import { SocketState } from '../stream-socket.js';
import { type Group, LARGE_GROUP, SMALL_GROUP } from './lent-buffers.js';
import type { UringReactor } from './uring-reactor.js';

/** What a completion is of: the low byte of its second data word, the socket's generation above it. */
export const enum Kind {
  Wake = 1,
  Accept,
  Recv,
  Send,
  SendAtOnce,
  Connect,
  /** The peer's end, while nothing is received. */
  End,
  Ignored,
}
export const KIND_MASK = 0xff;
export const GENERATION_SHIFT = 8;

/** A queue up to this length is sent at once. Bytes. */
const SENT_AT_ONCE_MAX = 32 * 1024;
/** So many receives in a row that would be better off with the other kind of buffer change it. */
const RECEIVES_TO_CHANGE = 4;
/** A receive into a large buffer that brings less than this would have done with small ones. */
const LARGE_WORTHWHILE = 2 * SMALL_BYTES;

/** Operations of a socket that are still to be completed. Bits. */
const enum Underway {
  Receive = 1 << 0,
  /** The kernel was asked to stop the receive; its last completion is to come. */
  StopReceiving = 1 << 1,
  Send = 1 << 2,
  Connect = 1 << 3,
  /** It watches for the peer's end. */
  End = 1 << 4,
}

export class UringSocket extends KernelSocket {
  declare protected readonly host: UringReactor;
  readonly slot: number;
  readonly generation: number;
  /** Bits of Underway. */
  private underway = 0;
  private group: Group = SMALL_GROUP;
  /** Receives in a row that speak for the other kind of buffer. */
  private otherWay = 0;
  /** The last send at once did not find room: the next send waits for it. */
  private wasFull = false;
  private hasLeft = false;
  /** Holds the address while the kernel may read it. */
  private addressBuffer = NO_BUFFER;

  constructor(
    reactor: UringReactor,
    fd: Fd,
    slot: number,
    generation: number,
    state: SocketState,
    receiver: Receiver,
  ) {
    super(reactor, fd, state, receiver);
    this.slot = slot;
    this.generation = generation;
  }

  /** Begins to connect; false when there is no memory for the address. */
  connect(address: Uint8Array): boolean {
    const { buffers } = this.host;
    this.addressBuffer = buffers.takeSmall();
    if (this.addressBuffer === NO_BUFFER) return false;
    const begin = buffers.beginOf(this.addressBuffer);
    buffers.memory.set(address, begin);
    this.underway |= Underway.Connect;
    const at = this.queue(Op.Connect, Kind.Connect);
    this.host.ring.putMemory(at, buffers.address + begin, 0);
    this.host.ring.putOffset(at, address.length);
    return true;
  }

  startReceiving(): void {
    if ((this.underway & Underway.Receive) !== 0 || this.state === SocketState.Closing) return;
    if (this.otherWay >= RECEIVES_TO_CHANGE) {
      this.group = this.group === SMALL_GROUP ? LARGE_GROUP : SMALL_GROUP;
      this.otherWay = 0;
    }
    if (!this.host.lent.ensure(this.group)) return this.host.waitForBuffers(this, this.group);
    this.underway |= Underway.Receive;
    const { ring } = this.host;
    const at = this.queue(Op.Recv, Kind.Recv);
    const isMultishot = this.group === SMALL_GROUP && this.host.receivesMultishot;
    ring.putFlags(at, IOSQE_BUFFER_SELECT, isMultishot ? IORING_RECV_MULTISHOT : 0);
    ring.putGroup(at, this.group);
  }

  protected stopReceiving(): void {
    if (this.isDetaching) this.unwatchEnd();
    else if (this.seesEnd) this.watchEnd();
    if ((this.underway & (Underway.Receive | Underway.StopReceiving)) !== Underway.Receive) return;
    this.underway |= Underway.StopReceiving;
    const at = this.queue(Op.AsyncCancel, Kind.Ignored);
    this.host.ring.putTarget(at, this.slot, Kind.Recv | (this.generation << GENERATION_SHIFT));
  }

  /** Without a receive the peer's end would go unnoticed. */
  private watchEnd(): void {
    if ((this.underway & Underway.End) !== 0) return;
    this.underway |= Underway.End;
    const at = this.queue(Op.PollAdd, Kind.End);
    this.host.ring.putOperationFlags(at, POLLRDHUP);
  }

  private unwatchEnd(): void {
    if ((this.underway & Underway.End) === 0) return;
    const at = this.queue(Op.AsyncCancel, Kind.Ignored);
    this.host.ring.putTarget(at, this.slot, Kind.End | (this.generation << GENERATION_SHIFT));
  }

  /** A poll without events still tells of errors, and of a connection that is no more; of the peer's end as well, for
   *  which it would come back at once if it were not one that tells of changes. */
  protected watchFailure(): void {
    if ((this.underway & Underway.End) !== 0) return;
    this.underway |= Underway.End;
    const at = this.queue(Op.PollAdd, Kind.End);
    this.host.ring.putMemory(at, 0, IORING_POLL_ADD_MULTI);
  }

  private sawEnd(result: number, flags: number): void {
    if ((flags & IORING_CQE_F_MORE) === 0) this.underway &= ~Underway.End;
    if (result < 0 || this.state === SocketState.Closing) return;
    if (!this.hasPeerEnded) {
      if (this.isPaused && this.seesEnd) this.ended(socketError(this.fd));
    } else if ((result & (POLLERR | POLLHUP)) !== 0) this.ended(socketError(this.fd) || Errno.ECONNRESET);
    else this.watchFailure();
  }

  protected startSending(): void {
    // A congested socket has to hear when there is room again, and one that ends when all is sent: that takes a
    // completion.
    const maySendAtOnce = this.state === SocketState.Open && !this.wasFull && !this.isCongested;
    if (maySendAtOnce && !this.endsSending && this.unsent <= SENT_AT_ONCE_MAX) return this.sendAtOnce();
    this.underway |= Underway.Send;
    const { ring } = this.host;
    const at = this.beginSend(Kind.Send);
    ring.putOperationFlags(at, MSG_NOSIGNAL | MSG_WAITALL);
  }

  /** The whole queue in one send that does not wait. */
  private sendAtOnce(): void {
    const { ring } = this.host;
    const at = this.beginSend(Kind.SendAtOnce);
    ring.putFlags(at, IOSQE_CQE_SKIP_SUCCESS, 0);
    ring.putOperationFlags(at, MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT);
    if (this.lastInFlight !== this.sendTail) return this.sendTheRestLater(at);
    this.host.sendsAtOnce.add(this, this.sendHead, this.sendTail, this.unsent);
    this.sendHead = NONE;
    this.sendTail = NONE;
    this.lastInFlight = NONE;
    this.unsent = 0;
  }

  /** The queue has too many segments for one message: an ordinary send after all. */
  private sendTheRestLater(at: number): void {
    this.underway |= Underway.Send;
    this.host.ring.retarget(
      at,
      Kind.Send | (this.generation << GENERATION_SHIFT),
      MSG_NOSIGNAL | MSG_WAITALL,
    );
  }

  /** A send at once took only `result` bytes, or said no: what is left goes in front of what has come since. False
   *  when nobody wants it any more. */
  takeBack(head: number, tail: number, length: number, result: number): boolean {
    if (this.state > SocketState.Draining) return false;
    this.wasFull = true;
    this.putInFront(head, tail, length);
    if (result >= 0) this.sent(result);
    else if (isNotNow(result)) this.sent(0);
    else this.sendFailed(-result);
    return true;
  }

  /** Begins a send of the queue, or of its beginning up to lastInFlight. */
  private beginSend(kind: Kind): number {
    const { segments, buffers, ring } = this.host;
    if (this.sendHead === this.sendTail) {
      this.lastInFlight = this.sendTail;
      const at = this.queue(Op.Send, kind);
      ring.putMemory(at, buffers.address + segments.beginOf(this.sendHead), segments.lengthOf(this.sendHead));
      return at;
    }
    const { gather } = this.host;
    let segment = this.sendHead;
    if (gather.isFull) ring.submit(); // the kernel has then read what was gathered before
    gather.begin();
    while (
      segment !== NONE &&
      gather.add(buffers.address + segments.beginOf(segment), segments.lengthOf(segment))
    ) {
      this.lastInFlight = segment;
      segment = segments.nextOf(segment);
    }
    const header = gather.end();
    const at = this.queue(Op.Sendmsg, kind);
    ring.putMemory(at, header, 1);
    return at;
  }

  protected release(): void {
    if (!this.leaveIfIdle()) this.host.cancelAll(this);
  }

  /** A completion of this socket has come. */
  complete(kind: number, result: number, flags: number): void {
    if (kind === Kind.Recv) this.received(result, flags);
    else if (kind === Kind.Send) this.wasSent(result);
    else if (kind === Kind.End) this.sawEnd(result, flags);
    else this.wasConnected(result);
    if (this.state === SocketState.Closing) this.leaveIfIdle();
  }

  protected get isQuiet(): boolean {
    return !this.isInKernel && this.host.isSubmitted;
  }

  protected giveUpPlace(): void {
    this.hasLeft = true;
    this.host.forget(this);
  }

  /** Whether an operation of it is still to be completed. */
  private get isInKernel(): boolean {
    return this.underway !== 0;
  }

  /** Closes the descriptor when nothing is in the kernel's hands; false when something still is. */
  private leaveIfIdle(): boolean {
    if (this.isInKernel) return false;
    if (this.hasLeft) return true;
    this.hasLeft = true;
    this.dropUnsent();
    this.host.closeSocket(this);
    return true;
  }

  private queue(op: Op, kind: Kind): number {
    return this.host.ring.begin(op, this.fd, this.slot, kind | (this.generation << GENERATION_SHIFT));
  }

  private received(result: number, flags: number): void {
    const goesOn = (flags & IORING_CQE_F_MORE) !== 0;
    const { group } = this;
    if (!goesOn) this.underway &= ~(Underway.Receive | Underway.StopReceiving);
    if ((flags & IORING_CQE_F_BUFFER) !== 0) {
      const buffer = this.host.lent.received(group, flags >>> IORING_CQE_BUFFER_SHIFT);
      try {
        if (result > 0) this.deliver(this.host.buffers.beginOf(buffer), result);
      } finally {
        this.host.buffers.release(buffer);
      }
    }
    if (this.state === SocketState.Closing) return;
    if (result > 0) this.watchSize(result, flags);
    else if (result === 0) return this.ended(0);
    else if (result !== -Errno.ENOBUFS && result !== -Errno.ECANCELED) return this.ended(-result);
    if (goesOn || !this.wantsBytes) return;
    if (result === -Errno.ENOBUFS) return this.host.waitForBuffers(this, group);
    if (group !== LARGE_GROUP || result <= 0 || result >= LARGE_BYTES / 2) this.startReceiving();
    else this.host.largePause.begin(this, this.host.nowMs);
  }

  receiveAfterPause(): void {
    if (this.wantsBytes) this.startReceiving();
  }

  /** Counts what speaks for the other kind of buffer; a multishot receive must end before the kind can change. */
  private watchSize(result: number, flags: number): void {
    if (this.group === LARGE_GROUP) this.otherWay = result < LARGE_WORTHWHILE ? this.otherWay + 1 : 0;
    else {
      const isFull = result === SMALL_BYTES && (flags & IORING_CQE_F_SOCK_NONEMPTY) !== 0;
      this.otherWay = isFull ? this.otherWay + 1 : 0;
      if (this.otherWay >= RECEIVES_TO_CHANGE) this.stopReceiving();
    }
  }

  private wasSent(result: number): void {
    this.underway &= ~Underway.Send;
    this.lastInFlight = NONE;
    if (this.state === SocketState.Closing) return;
    this.wasFull = false;
    if (result >= 0) this.sent(result);
    else if (isNotNow(result)) this.sent(0);
    else this.sendFailed(-result);
  }

  private wasConnected(result: number): void {
    this.underway &= ~Underway.Connect;
    this.host.buffers.release(this.addressBuffer);
    if (this.state === SocketState.Closing) return;
    if (result < 0) return this.ended(-result);
    this.state = SocketState.Open;
    this.receiver.onConnected();
    if (this.unsent > 0) this.wantFlush();
    if (this.wantsBytes) this.startReceiving();
  }
}

/** Whether a send failed only for the moment. */
function isNotNow(result: number): boolean {
  return result === -Errno.ENOBUFS || result === -Errno.EAGAIN || result === -Errno.EINTR;
}
