import { VERSION } from '../version.js';
import { type ShowCommand, text } from './command.js';

export const SHOW_VERSION: ShowCommand = {
  name: 'VERSION',
  columns: [text('version')],
  rows: () => [[`PgDoorman ${VERSION}`]],
};
