/** A connection on its way to another process: once nothing of it is in the kernel's hands any more its descriptor goes,
 *  with all that the peer has sent until then and nobody has looked at. */
import type { DetachedSocket, Leaver, Receiver, Socket } from '../reactor/reactor.js';

/** Whoever the connection belongs to. */
export interface Traveller {
  onWritable(): void;
  /** It has ended before it could go. */
  onClosed(errno: number): void;
  hasGone(detached: DetachedSocket, unread: Uint8Array): void;
}

export class Departure implements Receiver, Leaver {
  private readonly traveller: Traveller;
  private readonly chunks: Uint8Array[];

  /** Begins to leave. `unread`: what has been taken from the socket already. */
  constructor(traveller: Traveller, socket: Socket, unread: Uint8Array) {
    this.traveller = traveller;
    this.chunks = [unread];
    socket.receiver = this;
    socket.resume(); // what it keeps comes here
    socket.detach(this);
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    this.chunks.push(bytes.slice(begin, end));
    return end;
  }

  onConnected(): void {
    // it is
  }

  onWritable(): void {
    this.traveller.onWritable();
  }

  onClosed(errno: number): void {
    this.traveller.onClosed(errno);
  }

  onDetached(detached: DetachedSocket): void {
    this.traveller.hasGone(detached, Buffer.concat(this.chunks));
  }
}
