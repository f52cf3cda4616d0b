/** How this program was started, so that it can be started again: the paths are what they were; what stands there may be
 *  new. */

import { resolve } from 'node:path';
import { isSea } from 'node:sea';

/** The path by which the executable was called, so that a symbolic link is followed anew. Found by a shell it is only a
 *  name. To be made out before the working directory changes. */
const executable = process.argv0.includes('/') ? resolve(process.argv0) : process.execPath;

/** Without the arguments of the command. */
export const invocation: readonly [program: string, ...beforeArguments: string[]] = isSea()
  ? [executable]
  : [process.execPath, ...process.execArgv, process.argv[1] ?? ''];

/** process.argv has the executable twice, the second time in the place of the script. */
export const commandArguments: readonly string[] = process.argv.slice(2);
