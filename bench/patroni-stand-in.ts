/** As much of Patroni's API as proxies ask, on both of two nodes: who the members are, and whether this one leads.
 *  Patroni's documentation, "Patroni REST API". */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { freePort } from './ports.js';

/** Of the nodes. */
export const NODE_HOSTS = ['127.0.0.1', '127.0.0.2'] as const;
export type NodeHost = (typeof NODE_HOSTS)[number];

export class PatroniStandIn {
  leader: NodeHost = NODE_HOSTS[0];
  private readonly servers: Server[] = [];

  private constructor(readonly port: number) {}

  static async start(): Promise<PatroniStandIn> {
    const api = new PatroniStandIn(await freePort());
    for (const host of NODE_HOSTS) {
      const server = createServer((request, response) => {
        if (request.url === '/cluster') response.end(api.cluster());
        else response.writeHead(host === api.leader ? 200 : 503).end();
      });
      server.listen(api.port, host);
      await once(server, 'listening');
      api.servers.push(server);
    }
    return api;
  }

  stop(): void {
    for (const server of this.servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  private cluster(): string {
    const members = NODE_HOSTS.map((host, at) => ({
      name: `node${at + 1}`,
      role: host === this.leader ? 'leader' : 'replica',
      state: 'running',
      host,
    }));
    return JSON.stringify({ scope: 'bench', members });
  }
}
