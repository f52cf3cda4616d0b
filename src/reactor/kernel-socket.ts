/** A stream socket that the kernel has: its descriptor, and what both io_uring and epoll ask of it. */
import { SHUT_WR } from './kernel-structs.js';
import { type Fd, peerName, shutdown } from './libc.js';
import type { DetachedSocket, PeerAddress, Receiver } from './reactor.js';
import { decodePeerAddress } from './socket-address.js';
import { type SocketHost, type SocketState, StreamSocket } from './stream-socket.js';

export abstract class KernelSocket extends StreamSocket {
  readonly fd: Fd;

  constructor(host: SocketHost, fd: Fd, state: SocketState, receiver: Receiver) {
    super(host, state, receiver);
    this.fd = fd;
  }

  peerAddress(): PeerAddress {
    return decodePeerAddress(peerName(this.fd));
  }

  protected letGo(): DetachedSocket {
    this.giveUpPlace();
    return { fd: this.fd };
  }

  /** It is none of the reactor's sockets any more. */
  protected abstract giveUpPlace(): void;

  protected shutSending(): void {
    shutdown(this.fd, SHUT_WR);
  }
}
