#!/usr/bin/env node
/** The command pg_doorman. Before anything else is loaded V8 is told to keep the heaps of the process, each thread has
 *  one, as small as it can: what is loaded would make them grow, and they never shrink. Serving queries allocates
 *  nothing, so it has no use for room: 40 clients cost the same user time with it. */
import { setFlagsFromString } from 'node:v8';
import { launch } from './launch.js';

setFlagsFromString('--optimize-for-size');
launch('pg_doorman', import('./pooler-command.js'), 'one for each client and server');
