/** The single executable: both commands, chosen by the name that it is called by, and the processes that they start. */
import { basename } from 'node:path';
import { PROCESSES } from '../program/parts.js';

/** process.argv has the executable twice: in the place of the script, too. */
const [, , first] = process.argv;

if (process.send !== undefined && PROCESSES.some((part) => part === first)) import('../pam/checker-main.js');
else if (basename(process.argv0) === 'patroni_proxy') import('../cli/patroni_proxy.js');
else import('../cli/pg_doorman.js');
