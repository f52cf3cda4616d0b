/** Commands for the whole process: RELOAD, SHUTDOWN, UPGRADE. */
import { type ActionCommand, text } from './command.js';
import { ReloadRefused, UpgradeFailed } from './errors.js';

/** What SHUTDOWN and UPGRADE answer with. */
const SUCCESS = [text('success')];

export const RELOAD: ActionCommand = {
  name: 'RELOAD',
  argument: '',
  columns: null,
  run: async ({ reload }) => {
    const complaints = await reload();
    if (complaints.length > 0) throw new ReloadRefused(complaints);
    return [];
  },
};

/** A graceful one: transactions have shutdown_timeout to finish. */
export const SHUTDOWN: ActionCommand = {
  name: 'SHUTDOWN',
  argument: '',
  columns: SUCCESS,
  run: async ({ shutDown }) => {
    shutDown();
    return [['t']];
  },
};

/** Another process of the program that is now on disk takes over. */
export const UPGRADE: ActionCommand = {
  name: 'UPGRADE',
  argument: '',
  columns: SUCCESS,
  run: async ({ upgrade }) => {
    try {
      await upgrade();
    } catch (error) {
      throw new UpgradeFailed(error instanceof Error ? error.message : String(error));
    }
    return [['t']];
  },
};
