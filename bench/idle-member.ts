/** A server for clients that log in and do nothing: as much of PostgreSQL as that takes, without a process for each. */

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { message } from './messages.js';
import type { NodeHost } from './patroni-stand-in.js';

const BACKLOG = 1024;
const READY = message('Z', 'I');
const LOGGED_IN = Buffer.concat([message('R', '\0\0\0\0'), READY]);

export class IdleMember {
  /** How many have logged in. */
  logins = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    readonly host: NodeHost,
    private readonly server: Server,
  ) {}

  static async start(host: NodeHost, port: number): Promise<IdleMember> {
    const server = createServer({ noDelay: true });
    const member = new IdleMember(host, server);
    server.on('connection', (socket) => member.serve(socket));
    server.listen({ host, port, backlog: BACKLOG });
    await once(server, 'listening');
    return member;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
    socket.once('data', () => {
      this.logins++;
      socket.write(LOGGED_IN);
      socket.on('data', () => socket.write(READY));
    });
  }
}
