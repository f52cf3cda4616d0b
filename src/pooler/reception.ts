/** Where clients come in: connections that the kernel has accepted are given to the worker that is to have them. Not for:
 *  what is said there first (client-login.ts). */
import { errnoName } from '../reactor/libc.js';
import type {
  Acceptor,
  DetachedSocket,
  Listener,
  ListeningSocket,
  Receiver,
  Socket,
} from '../reactor/reactor.js';
import { nobody } from '../reactor/stream-socket.js';
import { ClientLogin } from './client-login.js';
import { Connection } from './connection-counts.js';
import type { DataPlane } from './data-plane.js';

export class Reception implements Acceptor {
  private readonly plane: DataPlane;
  private listener: Listener | null = null;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  acceptFrom(listening: ListeningSocket): void {
    this.listener = this.plane.reactor.acceptFrom(listening, this);
  }

  /** Another process goes on with the listening socket. */
  stopAccepting(): void {
    this.listener?.release();
    this.listener = null;
  }

  close(): void {
    this.listener?.close();
  }

  onAccept(socket: Socket): Receiver {
    const { board, peers, connections, settings, start } = this.plane;
    connections.add(Connection.Total);
    const isTooMany = board.clients >= settings.maxConnections;
    const worker = board.nextServing;
    if (!peers.has(worker)) {
      board.clientComes(start.index);
      return this.welcome(socket, isTooMany);
    }
    board.clientComesFor(worker);
    socket.detach({
      onDetached: (detached) => {
        if (peers.has(worker)) {
          board.clientMoves(worker);
          return peers.post(worker, { type: 'newClient', detached, isTooMany });
        }
        board.clientStays(worker);
        this.takeNewClient(detached, isTooMany);
      },
    });
    return nobody;
  }

  private welcome(socket: Socket, isTooMany: boolean): Receiver {
    this.plane.loginBegins();
    return new ClientLogin(this.plane, socket, isTooMany);
  }

  /** `unread`: what it has sent already. */
  takeNewClient(detached: DetachedSocket, isTooMany: boolean, unread?: Uint8Array): void {
    const socket = this.plane.reactor.attach(detached, nobody);
    socket.receiver = this.welcome(socket, isTooMany);
    if (unread !== undefined) socket.unread(unread, 0, unread.length);
    socket.resume();
  }

  onAcceptFailed(errno: number): void {
    this.plane.log('error', `cannot accept a client: ${errnoName(errno)}; trying again in a moment`);
  }
}
