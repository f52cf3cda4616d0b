import { numeric, type ShowCommand, text } from './command.js';

/** What each worker thread has and does now, and how many servers it has got from others since it was started. */
export const SHOW_WORKERS: ShowCommand = {
  name: 'WORKERS',
  columns: [
    numeric('worker'),
    text('state'),
    numeric('clients'),
    numeric('servers'),
    numeric('requests_per_second'),
    numeric('handovers'),
  ],
  rows: ({ workers }) =>
    workers().map(({ worker, isAlive, clients, servers, requestsASecond, handOvers }) => [
      worker,
      isAlive ? 'serving' : 'away',
      clients,
      servers,
      requestsASecond,
      handOvers,
    ]),
};
