/** A socket on epoll: read when the kernel says that there is something, written when the round ends, and again when
 *  the kernel says that there is room. epoll(7). */

import { LARGE_BYTES, NO_BUFFER, SMALL_BYTES } from '../buffers.js';
import { KernelSocket } from '../kernel-socket.js';
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
} from '../kernel-structs.js';
import { connect, Errno, type Fd, recv, socketError } from '../libc.js';
import type { Receiver } from '../reactor.js';
import { NONE } from '../segments.js';
import { SocketState } from '../stream-socket.js';
import type { Batch } from './batch.js';
import type { EpollReactor } from './epoll-reactor.js';

/** So many receives of one socket in a row, then it is another's turn. */
const RECEIVES_PER_TURN = 4;

export class EpollSocket extends KernelSocket {
  declare protected readonly host: EpollReactor;
  readonly slot: number;
  readonly generation: number;
  /** The events that the kernel watches for. */
  private interest = 0;
  private isReceiving = false;
  /** The kernel's buffer was full: nothing is sent until EPOLLOUT. */
  private isBlocked = false;
  private hasLeft = false;
  /** The last receive filled its buffer: a large one serves better. */
  private wantsLarge = false;
  /** Waits for more of a large answer: the kernel does not tell us of it, and is asked in a moment. */
  private isPausing = false;
  /** The buffer that the last receive went into, its size, and what came of it. */
  private taken = NO_BUFFER;
  private room = 0;
  result = 0;
  /** Bytes that the kernel is being asked to send. */
  private asked = 0;

  constructor(
    reactor: EpollReactor,
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

  /** Begins to connect. The outcome comes as an event, a refusal at once too. */
  connect(address: Uint8Array): void {
    const result = connect(this.fd, address);
    if (result === 0 || result === -Errno.EINPROGRESS) this.watch(EPOLLOUT);
    else this.host.failLater(this, -result);
  }

  startReceiving(): void {
    if (this.isReceiving || this.state === SocketState.Closing) return;
    this.isReceiving = true;
    this.watch(this.interest | EPOLLIN | EPOLLRDHUP);
  }

  protected stopReceiving(): void {
    if (!this.isReceiving) return;
    this.isReceiving = false;
    this.watch(this.interest & (this.seesEnd ? ~EPOLLIN : ~(EPOLLIN | EPOLLRDHUP)));
  }

  /** epoll_ctl(2): errors and hang-ups are told in any case, so long as the socket is watched at all. */
  protected watchFailure(): void {
    this.isReceiving = false;
    this.watch((this.interest & ~(EPOLLIN | EPOLLRDHUP)) | EPOLLERR);
  }

  protected startSending(): void {
    if (this.isBlocked) return;
    const { segments, buffers } = this.host;
    const batch = this.host.sendOf(this);
    const first = this.sendHead;
    if (first === NONE) return; // it was closed over what became of the others' sends
    if (first !== this.sendTail) return this.sendGathered(batch);
    this.lastInFlight = first;
    this.asked = segments.lengthOf(first);
    batch.send(this.fd, buffers.address + segments.beginOf(first), this.asked);
  }

  private sendGathered(batch: Batch): void {
    const { segments, buffers, gather } = this.host;
    gather.begin();
    this.asked = 0;
    let segment = this.sendHead;
    while (
      segment !== NONE &&
      gather.add(buffers.address + segments.beginOf(segment), segments.lengthOf(segment))
    ) {
      this.asked += segments.lengthOf(segment);
      this.lastInFlight = segment;
      segment = segments.nextOf(segment);
    }
    batch.sendGathered(this.fd, gather.end(), gather.vectors);
  }

  /** What has become of it. */
  wasSent(result: number): void {
    this.lastInFlight = NONE;
    if (this.state === SocketState.Closing) return this.release();
    if (result > 0) {
      this.sent(result);
      if (result < this.asked) this.block(); // the kernel's buffer is full
    } else if (result === -Errno.EAGAIN || result === -Errno.ENOBUFS) this.block();
    else if (result === -Errno.EINTR) this.sent(0);
    else this.sendFailed(-result);
  }

  protected get isQuiet(): boolean {
    return this.lastInFlight === NONE;
  }

  protected giveUpPlace(): void {
    this.watch(0);
    this.host.forget(this);
  }

  protected release(): void {
    if (this.hasLeft || this.lastInFlight !== NONE) return;
    this.hasLeft = true;
    this.dropUnsent();
    this.host.closeSocket(this);
  }

  /** The connect could not even begin. */
  fail(errno: number): void {
    if (this.state !== SocketState.Closing) this.ended(errno);
  }

  /** What epoll_wait(2) said of this socket. */
  happened(events: number): void {
    if (this.state === SocketState.Connecting) return this.connected();
    if ((events & EPOLLOUT) !== 0 && this.isBlocked) this.unblock();
    if (this.state === SocketState.Closing) return;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) === 0) return;
    if ((this.isReceiving || this.isPausing) && this.wantsBytes) return this.receive();
    this.stopReceiving();
    if ((events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) === 0) return;
    if (this.hasPeerEnded) this.ended(socketError(this.fd) || Errno.ECONNRESET);
    else if (this.seesEnd) this.ended(socketError(this.fd));
    else this.watch(0); // the kernel would go on saying it
  }

  private connected(): void {
    const errno = socketError(this.fd);
    if (errno !== 0) return this.ended(errno);
    this.state = SocketState.Open;
    this.receiver.onConnected();
    if (this.state !== SocketState.Open) return;
    this.watch(this.interest & ~EPOLLOUT);
    if (this.unsent > 0) this.wantFlush();
    if (this.wantsBytes) this.startReceiving();
  }

  /** The first half of a receive, for an event that says no more than that there is something: asks the kernel. */
  takeIn(events: number): boolean {
    if (events !== EPOLLIN || !this.isReceiving || !this.wantsBytes || !this.takeBuffer()) return false;
    const { buffers } = this.host;
    this.host.receives.receive(this.fd, buffers.address + buffers.beginOf(this.taken), this.room);
    return true;
  }

  /** The second half: hands out what came, and goes on while there is more. */
  handOut(): void {
    for (
      let turn = 1;
      this.deliverTaken() && turn < RECEIVES_PER_TURN && this.wantsBytes && this.ask();
      turn++
    );
  }

  private receive(): void {
    if (this.ask()) this.handOut();
  }

  private ask(): boolean {
    if (!this.takeBuffer()) return false;
    const { buffers } = this.host;
    this.result = recv(this.fd, buffers.address + buffers.beginOf(this.taken), this.room);
    return true;
  }

  /** False when all buffers are in use: the kernel tells us again, others give some back meanwhile. */
  private takeBuffer(): boolean {
    const { buffers } = this.host;
    let buffer = this.wantsLarge ? buffers.takeLarge() : NO_BUFFER;
    this.room = buffer === NO_BUFFER ? SMALL_BYTES : LARGE_BYTES;
    if (buffer === NO_BUFFER) buffer = buffers.takeSmall();
    if (buffer === NO_BUFFER) return false;
    this.taken = buffer;
    return true;
  }

  /** Returns whether there may be more to receive. */
  private deliverTaken(): boolean {
    const { buffers } = this.host;
    const { taken, result } = this;
    try {
      if (result > 0) this.deliver(buffers.beginOf(taken), result);
    } finally {
      buffers.release(taken);
    }
    if (result <= 0) {
      this.receivedNothing(result);
      return false;
    }
    this.wantsLarge = result >= SMALL_BYTES;
    if (this.state === SocketState.Closing) return false;
    if (this.wantsLarge && this.room === LARGE_BYTES && result < LARGE_BYTES / 2) this.pauseForMore();
    return result === this.room;
  }

  private pauseForMore(): void {
    if (this.isPausing || !this.wantsBytes || !this.host.canPause) return;
    this.isPausing = true;
    this.isReceiving = false;
    this.watch(this.interest & ~(EPOLLIN | EPOLLRDHUP));
    this.host.largePause.begin(this, this.host.nowMs);
  }

  receiveAfterPause(): void {
    this.isPausing = false;
    if (this.isReceiving || !this.wantsBytes) return;
    this.receive();
    if (!this.isPausing && this.wantsBytes) this.startReceiving();
  }

  private receivedNothing(result: number): void {
    if (this.state === SocketState.Closing) return;
    if (result !== -Errno.EAGAIN && result !== -Errno.EINTR) this.ended(0 - result);
  }

  private block(): void {
    this.isBlocked = true;
    this.watch(this.interest | EPOLLOUT);
  }

  private unblock(): void {
    this.isBlocked = false;
    this.watch(this.interest & ~EPOLLOUT);
    this.flush();
  }

  private watch(interest: number): void {
    if (interest === this.interest) return;
    const operation = interest === 0 ? EPOLL_CTL_DEL : this.interest === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    this.host.watch(this, operation, interest);
    this.interest = interest;
  }
}
