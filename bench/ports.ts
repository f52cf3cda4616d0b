/** Free TCP ports on loopback. They are taken from below the range that the kernel gives to outgoing connections
 *  (ip(7), ip_local_port_range), so that ten thousand clients cannot sit on a pooler's port. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { NotPossible } from './errors.js';

const FIRST = 20_000;
const LAST = 32_000;
/** The state in /proc/net/tcp. */
const LISTEN = '0A';
let next = FIRST + (process.pid % (LAST - FIRST));

/** A port on which nobody listens at this moment; not the same twice in a row. */
export async function freePort(): Promise<number> {
  for (let tries = FIRST; tries < LAST; tries++) {
    next = next >= LAST ? FIRST : next + 1;
    if (await isFree(next)) return next;
  }
  throw new NotPossible(`no free port from ${FIRST} to ${LAST}`);
}

/** How many sockets listen on a port of 127.0.0.1. proc_net_tcp(5) */
export function listenersOn(port: number): number {
  const where = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 ${LISTEN} `;
  return readFileSync('/proc/net/tcp', 'latin1').split(where).length - 1;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
