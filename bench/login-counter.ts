/** Stands before PostgreSQL and counts what it sees at most: connections, and logins under way. Bytes pass unchanged. */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { MessageReader, READY_FOR_QUERY } from './messages.js';
import { freePort } from './ports.js';

const BACKLOG = 1024;
/** The answer to SSLRequest. */
const NO_TLS = 0x4e; // N

export class LoginCounter {
  /** Since `forget`. */
  connectionsMax = 0;
  loginsMax = 0;
  /** How many were accepted. */
  accepted = 0;
  private connections = 0;
  private logins = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    readonly port: number,
    private readonly postgresPort: number,
    private readonly server: Server,
  ) {}

  static async start(postgresPort: number): Promise<LoginCounter> {
    // A pooler that ends its side may still be sent the rest.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const counter = new LoginCounter(await freePort(), postgresPort, server);
    server.on('connection', (socket) => counter.accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port: counter.port, backlog: BACKLOG }, resolve);
    });
    return counter;
  }

  /** Counts from what there is now. */
  forget(): void {
    this.connectionsMax = this.connections;
    this.loginsMax = this.logins;
    this.accepted = 0;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(pooler: Socket): void {
    const postgres = connect({
      host: '127.0.0.1',
      port: this.postgresPort,
      noDelay: true,
      allowHalfOpen: true,
    });
    this.accepted++;
    this.connections++;
    this.logins++;
    this.connectionsMax = Math.max(this.connectionsMax, this.connections);
    this.loginsMax = Math.max(this.loginsMax, this.logins);

    let isLoggingIn = true;
    const loggedIn = () => {
      if (isLoggingIn) this.logins--;
      isLoggingIn = false;
      postgres.off('data', watch);
    };
    const reader = new MessageReader((tag) => {
      if (tag === READY_FOR_QUERY) loggedIn();
    });
    let isFirst = true;
    const watch = (bytes: Buffer) => {
      // A pooler that prefers TLS asks for it before it logs in.
      reader.push(isFirst && bytes[0] === NO_TLS ? bytes.subarray(1) : bytes);
      isFirst = false;
    };
    postgres.on('data', watch);

    let isOpen = true;
    /** The pooler has it no more. */
    const closed = () => {
      if (isOpen) this.connections--;
      isOpen = false;
      loggedIn();
    };
    pooler.once('end', closed).once('close', closed);
    this.join(pooler, postgres);
    this.join(postgres, pooler);
  }

  private join(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.once('close', () => {
      this.sockets.delete(from);
      to.destroySoon();
    });
  }
}
