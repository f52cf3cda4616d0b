/** To be imported before everything else: V8 grows the heaps of the process, each thread has one, as little as it can.
 *  Serving queries allocates nothing, so it has no use for room: 40 clients cost the same user time with it. */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--optimize-for-size');
