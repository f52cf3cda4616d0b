/** PAUSE, RESUME and RECONNECT, of the pools of one database or of all. PgBouncer's manual, "Admin console". */
import type { ActionCommand } from './command.js';
import { databaseNamed } from './database-named.js';
import { NotPaused } from './errors.js';

/** Answers when the servers are closed; whoever needs one from now on waits until RESUME, and at most for
 *  query_wait_timeout. */
export const PAUSE: ActionCommand = {
  name: 'PAUSE',
  argument: '[database]',
  columns: null,
  run: async (context, argument, signal) => {
    await context.poolControl.pause(databaseNamed(context, argument), signal);
    return [];
  },
};

export const RESUME: ActionCommand = {
  name: 'RESUME',
  argument: '[database]',
  columns: null,
  run: async (context, argument) => {
    const database = databaseNamed(context, argument);
    if (!(await context.poolControl.resume(database))) throw new NotPaused(database);
    return [];
  },
};

/** No client gets a server that was opened before. Does not wait for those that are in use. */
export const RECONNECT: ActionCommand = {
  name: 'RECONNECT',
  argument: '[database]',
  columns: null,
  run: async (context, argument) => {
    await context.poolControl.reconnect(databaseNamed(context, argument));
    return [];
  },
};
