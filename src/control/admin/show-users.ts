import { type ShowCommand, text } from './command.js';
import { poolModeText } from './show-pools.js';

export const SHOW_USERS: ShowCommand = {
  name: 'USERS',
  columns: [text('name'), text('pool_mode')],
  rows: ({ pools }) => [...pools.all()].map(([, { user, mode }]) => [user, poolModeText(mode)]),
};
