/** The program of the thread that counts sockets: tells what it has found, and ends. */
import { parentPort } from 'node:worker_threads';
import { socketCounts } from './socket-counts.js';

void socketCounts().then((counts) => parentPort?.postMessage(counts));
