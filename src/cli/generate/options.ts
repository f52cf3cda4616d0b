/** What generate can be told on the command line. */
import type { ConnectionOptions } from './connection.js';

export const FORMATS = ['yaml', 'toml'] as const;
export type Format = (typeof FORMATS)[number];

export interface GenerateOptions extends ConnectionOptions {
  readonly serverHost?: string;
  readonly poolSize: number;
  readonly sessionPoolMode?: boolean;
  readonly output?: string;
  readonly format?: Format;
  readonly comments: boolean;
  readonly russianComments?: boolean;
  readonly reference?: boolean;
  readonly fromPgbouncer?: string;
}
