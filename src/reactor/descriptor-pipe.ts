/** One end of a pair of unix sockets that brings open descriptors to another process, each with a number that says which
 *  it is. Never waits: who sends does not send more than fit, who receives is told elsewhere that one is there. unix(7),
 *  cmsg(3). */
import * as k from './kernel-structs.js';
import { close, type Fd, mapMemory, recvmsg, SystemError, sendmsg, socketPair } from './libc.js';
import { highWord, lowWord } from './words.js';

/** So many may be on their way at a time: the smallest send buffer that Linux gives by itself takes more. */
export const DESCRIPTORS_UNDERWAY_MAX = 64;
const NUMBER_BYTES = 4;
const HEADER_AT = 0;
const VECTOR_AT = k.MSGHDR_BYTES;
const CONTROL_AT = VECTOR_AT + k.IOVEC_BYTES;
const NUMBER_AT = CONTROL_AT + k.CMSG_BYTES;
const LENGTH = NUMBER_AT + NUMBER_BYTES;

/** A descriptor that has come, and its number. */
export interface Brought {
  readonly fd: Fd;
  readonly number: number;
}

/** Two ends that are connected; programs that this one starts get neither unless they are given it. Throws SystemError. */
export function openDescriptorPipe(): [Fd, Fd] {
  return socketPair(k.SOCK_SEQPACKET | k.SOCK_CLOEXEC);
}

export class DescriptorPipe {
  readonly fd: Fd;
  private readonly address: number;
  private readonly words: Int32Array;

  constructor(fd: Fd) {
    this.fd = fd;
    const mapping = mapMemory(LENGTH);
    this.address = mapping.address;
    this.words = new Int32Array(mapping.buffer, 0, LENGTH / Int32Array.BYTES_PER_ELEMENT);
  }

  /** Sends a copy: the descriptor stays open here. 0, or a negative errno when it could not be sent. */
  send(fd: number, number: number): number {
    this.prepare();
    this.words.set([k.CMSG_LENGTH, 0, k.SOL_SOCKET, k.SCM_RIGHTS, fd, 0, number], CONTROL_AT / 4);
    const sent = sendmsg(this.fd, this.address + HEADER_AT, k.MSG_DONTWAIT | k.MSG_NOSIGNAL);
    return Math.min(0, sent);
  }

  /** The next that has been sent. Throws SystemError when there is none, or the other end came without a descriptor:
   *  this process has as many as it may have. */
  receive(): Brought {
    this.prepare();
    const result = recvmsg(this.fd, this.address + HEADER_AT, k.MSG_DONTWAIT | k.MSG_CMSG_CLOEXEC);
    if (result < 0) throw new SystemError('recvmsg', result);
    const [length, , level, type, fd = -1, , number = 0] = this.words.subarray(CONTROL_AT / 4);
    const isWhole = length === k.CMSG_LENGTH && level === k.SOL_SOCKET && type === k.SCM_RIGHTS;
    if (result !== NUMBER_BYTES || !isWhole) throw new DescriptorLost(number);
    return { fd: fd as Fd, number };
  }

  close(): void {
    close(this.fd);
  }

  /** Points the struct msghdr at the one vector and the one control message. */
  private prepare(): void {
    const { words, address } = this;
    words.fill(0);
    words[4] = lowWord(address + VECTOR_AT); // msg_iov
    words[5] = highWord(address + VECTOR_AT);
    words[6] = 1; // msg_iovlen
    words[8] = lowWord(address + CONTROL_AT); // msg_control
    words[9] = highWord(address + CONTROL_AT);
    words[10] = k.CMSG_BYTES; // msg_controllen
    words[VECTOR_AT / 4] = lowWord(address + NUMBER_AT); // iov_base
    words[VECTOR_AT / 4 + 1] = highWord(address + NUMBER_AT);
    words[VECTOR_AT / 4 + 2] = NUMBER_BYTES; // iov_len
  }
}

/** A message has come without its descriptor. */
export class DescriptorLost extends Error {
  override readonly name = 'DescriptorLost';
  readonly number: number;
  constructor(number: number) {
    super(`descriptor ${number} did not arrive: this process has as many open as it may have`);
    this.number = number;
  }
}
