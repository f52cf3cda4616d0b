/** A stream socket that the kernel has: its descriptor, and what both io_uring and epoll ask of it. */
import { SHUT_WR } from './kernel-structs.js';
import { type Fd, peerName, shutdown } from './libc.js';
import { NO_SSL, type PeerAddress, type Receiver } from './reactor.js';
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

  leaveIfQuiet(): boolean {
    if (!this.hasNothingLeft || !this.isQuiet) return false;
    this.giveUpPlace();
    this.left({ fd: this.fd, ssl: NO_SSL });
    return true;
  }

  /** It has been left alone for a moment, or has waited for a buffer; it may have been closed or paused meanwhile. */
  abstract receiveAfterPause(): void;

  /** Whether the kernel holds nothing of it: no receive, send or watch. */
  protected abstract get isQuiet(): boolean;

  /** It is none of the reactor's sockets any more. */
  protected abstract giveUpPlace(): void;

  protected shutSending(): void {
    shutdown(this.fd, SHUT_WR);
  }
}
