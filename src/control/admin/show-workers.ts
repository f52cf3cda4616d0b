import { numeric, type ShowCommand, text } from './command.js';

/** What each worker thread has, what it had of a processor and did in the last second, and how many servers it has got
 *  from others since it was started. */
export const SHOW_WORKERS: ShowCommand = {
  name: 'WORKERS',
  columns: [
    numeric('worker'),
    text('state'),
    numeric('clients'),
    numeric('servers'),
    numeric('cpu_percent'),
    numeric('requests_per_second'),
    numeric('handovers'),
  ],
  rows: ({ workers }) =>
    workers().map(({ worker, isAlive, clients, servers, busyPermille, requestsASecond, handOvers }) => [
      worker,
      isAlive ? 'serving' : 'away',
      clients,
      servers,
      Math.round(busyPermille / 10),
      requestsASecond,
      handOvers,
    ]),
};
