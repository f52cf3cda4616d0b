/** KILL and KILL_CLIENT: ends clients, and what they are doing at PostgreSQL, at once. */
import type { ActionCommand } from './command.js';
import { databaseNamed } from './database-named.js';
import { UnknownClient } from './errors.js';

/** Its pools are paused afterwards, as in PgBouncer: or the clients would be back before the command is answered. */
export const KILL: ActionCommand = {
  name: 'KILL',
  argument: 'database',
  columns: null,
  run: async (context, argument) => {
    await context.poolControl.kill(databaseNamed(context, argument));
    return [];
  },
};

export const KILL_CLIENT: ActionCommand = {
  name: 'KILL_CLIENT',
  argument: 'client_id',
  columns: null,
  run: async ({ killClient }, argument) => {
    // SHOW CLIENTS writes #c5.
    const [, id] = /^(?:#?c)?(\d{1,10})$/.exec(argument ?? '') ?? [];
    if (id === undefined || !(await killClient(Number(id)))) throw new UnknownClient(argument ?? '');
    return [];
  },
};
