#!/usr/bin/env node
/** The command pg_doorman. Before anything else is loaded V8 is told to keep the heaps of the process, each thread has
 *  one, as small as it can: what is loaded would make them grow, and they never shrink. Serving queries allocates
 *  nothing, so it has no use for room: 40 clients cost the same user time with it. */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--optimize-for-size');
import('./pooler-command.js').catch((error: unknown) => {
  // Node opens many modules at once.
  if (!(error instanceof Error && 'code' in error && error.code === 'EMFILE')) throw error;
  console.error(
    'pg_doorman: too few open files are allowed to start with: raise the limit (ulimit -n, LimitNOFILE) to 150 and one for each client and server',
  );
  process.exitCode = 1;
});
