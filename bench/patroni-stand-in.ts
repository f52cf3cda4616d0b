/** As much of a Patroni API as proxies ask: one member, 127.0.0.1, which is the leader. Patroni's documentation, "Patroni
 *  REST API". */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { freePort } from './ports.js';

const MEMBER = { name: 'node1', role: 'leader', state: 'running', host: '127.0.0.1' };

export class PatroniStandIn {
  private constructor(
    readonly port: number,
    private readonly server: Server,
  ) {}

  static async start(): Promise<PatroniStandIn> {
    const cluster = JSON.stringify({ scope: 'bench', members: [MEMBER] });
    // What is asked is answered with: how the member is, or who the members are.
    const server = createServer((request, response) =>
      response.end(request.url === '/cluster' ? cluster : ''),
    );
    const port = await freePort();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new PatroniStandIn(port, server);
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
