/** A cluster that obeys the test: Patroni APIs that say what they are told to say, and members that are TCP servers on
 *  127.0.0.1, .2 and .3, all on one port. A member greets with its name, then sends back what it gets. */
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { endWithFile } from '../support/leftovers.js';

export interface MemberFacts {
  readonly name: string;
  readonly host: string;
  role: string;
  state: string;
  lag?: number | string;
  tags?: Record<string, unknown>;
}

/** One Patroni API. */
export class StandInApi {
  members: MemberFacts[] = [];
  /** Answers with this instead of the members, when set. */
  instead: { status: number; body: string } | null = null;
  /** Takes questions and never answers. */
  isSilent = false;
  questions = 0;
  /** Where it can be asked. */
  url = '';
  private readonly server: HttpServer;

  private constructor(server: HttpServer) {
    this.server = server;
    endWithFile(() => this.close());
  }

  static async start(members: MemberFacts[] = [], tls: ServerOptions | null = null): Promise<StandInApi> {
    const answer: RequestListener = (request, response) => {
      api.questions++;
      if (api.isSilent) return;
      const { status, body } =
        api.instead ??
        (request.url === '/cluster'
          ? { status: 200, body: JSON.stringify({ scope: 'test', members: api.members }) }
          : { status: 404, body: '' });
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    };
    const server = tls === null ? createHttpServer(answer) : createHttpsServer(tls, answer);
    const api = new StandInApi(server);
    api.members = members;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    api.url = `${tls === null ? 'http' : 'https'}://127.0.0.1:${portOf(server)}`;
    return api;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** One member's PostgreSQL, as far as a TCP proxy can tell. */
class StandInMember {
  readonly facts: MemberFacts;
  readonly sockets = new Set<Socket>();
  /** What is done with a connection instead of greeting and sending back. */
  onConnection: ((socket: Socket) => void) | null = null;
  private readonly server: Server;

  constructor(facts: MemberFacts) {
    this.facts = facts;
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket)).on('error', () => undefined);
      if (this.onConnection !== null) return this.onConnection(socket);
      socket.write(`${facts.name}\n`);
      socket.pipe(socket);
    });
    endWithFile(() => this.stop());
  }

  async listen(port: number): Promise<number> {
    this.server.listen(port, this.facts.host);
    await once(this.server, 'listening');
    return portOf(this.server);
  }

  /** From now on connections are refused; those that there are end. */
  stop(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  /** From now on connections are refused; those that there are stay. */
  refuse(): void {
    this.server.close();
  }
}

/** Three members on one port: node1 is the leader, node2 a synchronous and node3 an asynchronous replica. */
export async function threeMembers(): Promise<{ port: number; members: Trio; facts: () => MemberFacts[] }> {
  const members: Trio = [
    new StandInMember({ name: 'node1', host: '127.0.0.1', role: 'leader', state: 'running' }),
    new StandInMember({ name: 'node2', host: '127.0.0.2', role: 'sync_standby', state: 'streaming', lag: 0 }),
    new StandInMember({ name: 'node3', host: '127.0.0.3', role: 'replica', state: 'streaming', lag: 0 }),
  ];
  const port = await members[0].listen(0);
  await members[1].listen(port);
  await members[2].listen(port);
  return { port, members, facts: () => members.map(({ facts }) => facts) };
}

export type Trio = [StandInMember, StandInMember, StandInMember];

function portOf(server: Server | HttpServer): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return address.port;
}
