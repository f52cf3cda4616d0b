/** The network between the pooler and PostgreSQL, which does what networks do: cuts, swallows, delays, half-closes and
 *  refuses. A proxy of bytes; it knows no protocol. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { endWithFile } from '../../support/leftovers.js';

/** One connection of the pooler's. */
interface Link {
  readonly pooler: Socket;
  readonly postgres: Socket;
  /** Whether what is sent arrives. */
  isOpen: boolean;
}

export class BrokenNetwork {
  readonly port: number;
  /** How late everything arrives. */
  delayMs = 0;
  private readonly target: number;
  private server: Server;
  private readonly links = new Set<Link>();
  private swallowsNew = false;

  private constructor(server: Server, port: number, target: number) {
    this.server = server;
    this.port = port;
    this.target = target;
    this.serve();
    endWithFile(() => this.close());
  }

  static async before(target: number): Promise<BrokenNetwork> {
    const server = await listening(0);
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new BrokenNetwork(server, address.port, target);
  }

  /** Every connection ends with a reset, on both sides. */
  cut(): void {
    for (const link of this.links) reset(link);
  }

  /** What is sent does not arrive, and nobody is told; on new connections neither. */
  swallow(): void {
    this.swallowsNew = true;
    this.swallowOpen();
  }

  /** … on those connections that are open now. */
  swallowOpen(): void {
    for (const link of this.links) link.isOpen = false;
  }

  /** New connections work again; those that have swallowed something are reset. */
  swallowNoMore(): void {
    this.swallowsNew = false;
    for (const link of this.links) if (!link.isOpen) reset(link);
  }

  /** Ends one direction of every connection: what one side sends is closed, the other goes on. */
  halfClose(towards: 'pooler' | 'postgres'): void {
    for (const link of this.links) link[towards].end();
  }

  /** New connections are refused; the others stay. */
  async refuse(): Promise<void> {
    this.server.close();
    if (this.server.listening) await once(this.server, 'close');
  }

  async refuseNoMore(): Promise<void> {
    this.server = await listening(this.port);
    this.serve();
  }

  async end(): Promise<void> {
    const closed = once(this.server, 'close');
    this.close();
    await closed;
  }

  private close(): void {
    this.server.close();
    for (const { pooler, postgres } of this.links) {
      pooler.destroy();
      postgres.destroy();
    }
  }

  private serve(): void {
    this.server.on('connection', (pooler) => {
      const postgres = connect({ host: '127.0.0.1', port: this.target, allowHalfOpen: true, noDelay: true });
      const link: Link = { pooler, postgres, isOpen: !this.swallowsNew };
      this.links.add(link);
      this.pass(link, pooler, postgres);
      this.pass(link, postgres, pooler);
    });
  }

  private pass(link: Link, from: Socket, to: Socket): void {
    /** In order, since all wait equally long. */
    const later = (act: () => void): void => {
      if (this.delayMs === 0) act();
      else setTimeout(act, this.delayMs);
    };
    from.on('data', (bytes) => {
      if (!link.isOpen) return;
      later(() => to.write(bytes));
    });
    from.on('end', () => {
      if (link.isOpen) later(() => to.end());
    });
    from.on('error', () => {}); // 'close' follows
    from.on('close', () => {
      this.links.delete(link);
      to.destroy();
    });
  }
}

function reset({ pooler, postgres }: Link): void {
  for (const socket of [pooler, postgres]) {
    if (socket.writableEnded)
      socket.destroy(); // Node.js keeps one open for ever that is reset while it is ending
    else socket.resetAndDestroy();
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
