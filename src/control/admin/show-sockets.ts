import { SOCKET_KINDS, socketCounts } from '../socket-counts.js';
import { numeric, type ShowCommand } from './command.js';

/** How many sockets the process has of each kind and state. */
export const SHOW_SOCKETS: ShowCommand = {
  name: 'SOCKETS',
  columns: SOCKET_KINDS.map(numeric),
  rows: async () => {
    const counts = await socketCounts();
    return [SOCKET_KINDS.map((kind) => counts.get(kind) ?? 0)];
  },
};
