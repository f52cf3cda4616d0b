import { int4, type ShowCommand, text } from './command.js';

/** The dns_ rows are PgBouncer's and always 0: names are looked up by the system. */
export const SHOW_LISTS: ShowCommand = {
  name: 'LISTS',
  columns: [text('list'), int4('items')],
  rows: async ({ configuration, pools, snapshot }) => {
    const users = [...pools.all()].map(([, { user }]) => user);
    const { clients, servers, logins } = await snapshot();
    const freeClients = clients.filter(({ state }) => state === 'idle').length;
    const freeServers = servers.filter(({ state }) => state === 'idle').length;
    return [
      ['databases', Object.keys(configuration().pools).length],
      ['users', new Set(users).size],
      ['pools', users.length],
      ['free_clients', freeClients],
      ['used_clients', clients.length - freeClients],
      ['login_clients', logins],
      ['free_servers', freeServers],
      ['used_servers', servers.length - freeServers],
      ['dns_names', 0],
      ['dns_zones', 0],
      ['dns_queries', 0],
      ['dns_pending', 0],
    ];
  },
};
