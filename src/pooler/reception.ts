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
import type { PassageToWorker } from './passage-messages.js';

type ArrivingLogin = Extract<PassageToWorker, { type: 'loginArrives' }>;

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

  private welcome(socket: Socket, isTooMany: boolean): ClientLogin {
    this.plane.loginBegins();
    return new ClientLogin(this.plane, socket, isTooMany);
  }

  takeNewClient(detached: DetachedSocket, isTooMany: boolean): void {
    const socket = this.plane.reactor.attach(detached, nobody);
    socket.receiver = this.welcome(socket, isTooMany);
    socket.resume();
  }

  /** One of another process. */
  takeLogin({ detached, isTooMany, unread, proven }: ArrivingLogin): void {
    const socket = this.plane.reactor.attach(detached, nobody);
    const login = this.welcome(socket, isTooMany);
    socket.receiver = login;
    socket.unread(unread, 0, unread.length);
    if (proven === null) socket.resume();
    else login.goesOn(proven);
  }

  onAcceptFailed(errno: number): void {
    this.plane.log('error', `cannot accept a client: ${errnoName(errno)}; trying again in a moment`);
  }
}
