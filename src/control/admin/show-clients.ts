import { numeric, type ShowCommand, text } from './command.js';

export const SHOW_CLIENTS: ShowCommand = {
  name: 'CLIENTS',
  columns: [
    text('client_id'),
    text('database'),
    text('user'),
    text('application_name'),
    text('addr'),
    text('tls'),
    text('state'),
    text('wait'),
    numeric('transaction_count'),
    numeric('query_count'),
    numeric('error_count'),
    numeric('age_seconds'),
  ],
  rows: async ({ snapshot }) =>
    (await snapshot()).clients.map((client) => [
      `#c${client.id}`,
      client.database,
      client.user,
      client.applicationName,
      client.address,
      String(client.isTls),
      client.state,
      client.wait,
      client.transactions,
      client.queries,
      client.errors,
      Math.floor(client.ageMs / 1000),
    ]),
};
