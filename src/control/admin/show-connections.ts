import { numeric, type ShowCommand } from './command.js';

/** Since the start: all that came, those that were refused, and what they were. */
export const SHOW_CONNECTIONS: ShowCommand = {
  name: 'CONNECTIONS',
  columns: [numeric('total'), numeric('errors'), numeric('tls'), numeric('plain'), numeric('cancel')],
  rows: async ({ snapshot }) => {
    const { total, errors, tls, plain, cancel } = (await snapshot()).connections;
    return [[total, errors, tls, plain, cancel]];
  },
};
