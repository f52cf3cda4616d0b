/** A client on its way to another worker: until its connection has left, what it sends or how it ends is still this
 *  worker's to deal with, and then it stays. */
import type { DetachedSocket, Leaver, Receiver, Socket } from '../reactor/reactor.js';
import type { ServedClient } from './served-client.js';

export class ClientMove implements Receiver, Leaver {
  private readonly client: ServedClient;
  private readonly socket: Socket;
  private readonly worker: number;

  /** Begins to leave. */
  constructor(client: ServedClient, worker: number) {
    this.client = client;
    this.socket = client.socket;
    this.worker = worker;
    this.socket.receiver = this;
    this.socket.detach(this);
  }

  onDetached(detached: DetachedSocket): void {
    this.client.hasLeft(this.worker, detached);
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    if (begin === end) return end; // what was put off until now needs nothing from it
    this.stays();
    return this.client.onBytes(bytes, begin, end);
  }

  onConnected(): void {
    // it is
  }

  onWritable(): void {
    this.client.onWritable();
  }

  onClosed(errno: number): void {
    this.stays();
    this.client.onClosed(errno);
  }

  private stays(): void {
    this.socket.receiver = this.client;
    this.socket.stay();
    this.client.plane.board.clientStays(this.worker);
  }
}
