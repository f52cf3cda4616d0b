/** How the process is: its memory and descriptors, and what its console says of clients and servers. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Doorman } from '../support/doorman.js';
import { FuzzFailure } from './failure.js';

/** How long it may take until nothing is left of a batch. Milliseconds. */
const QUIET_MS_MAX = 10_000;
/** Memory that may come and go by itself. Bytes, and a share of the memory. */
const GROWTH_BYTES_MAX = 32 * 1024 * 1024;
const GROWTH_SHARE_MAX = 0.15;

export interface Vitals {
  /** Bytes of memory in RAM. */
  readonly rss: number;
  /** Open descriptors beside those of clients and servers. */
  readonly descriptors: number;
}

/** Waits until nobody but `clients` is there, nothing is under way, and no more descriptors of its own are open than
 *  these: connections that end linger for a moment. Throws FuzzFailure when that does not come. */
export async function quietVitals(
  doorman: Doorman,
  clients: number,
  descriptorsMax: number,
): Promise<Vitals> {
  const deadline = performance.now() + QUIET_MS_MAX;
  for (;;) {
    const pools = await doorman.admin('show pools');
    const servers = await doorman.admin('show servers');
    const others = (await doorman.admin('show clients')).filter(({ database }) => database !== 'pgdoorman');
    const busy = pools.filter((pool) => BUSY.some((column) => pool[column] !== '0'));
    const descriptors = descriptorsOf(doorman.pid) - others.length - servers.length;
    const isIdle = busy.length === 0 && servers.every(({ state }) => state === 'idle');
    if (isIdle && others.length === clients && descriptors <= descriptorsMax) {
      return { rss: rssOf(doorman.pid), descriptors };
    }
    if (performance.now() > deadline) {
      throw new FuzzFailure(
        `it does not become quiet: ${JSON.stringify({ descriptors, busy, servers, others: others.slice(0, 10) }, null, 1)}`,
      );
    }
  }
}

const BUSY = ['cl_active', 'cl_waiting', 'cl_cancel_req', 'sv_active', 'sv_used', 'sv_login'];

/** Throws FuzzFailure when there is more memory in use at the end than at the beginning. */
export function assertFlat(early: Vitals, late: Vitals): void {
  if (late.rss <= early.rss * (1 + GROWTH_SHARE_MAX) + GROWTH_BYTES_MAX) return;
  throw new FuzzFailure(`its memory has grown from ${inMb(early.rss)} to ${inMb(late.rss)}`);
}

export function inMb(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MB`;
}

function rssOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
