/** What a worker of the simulation is started with. */
import type { Resolved } from '../../src/control/data-plane-settings.js';
import { SharedPool } from '../../src/pooler/shared-pool.js';
import type { PoolStart, SharedState, WorkerStart } from '../../src/pooler/thread-messages.js';
import type { Fd } from '../../src/reactor/libc.js';
import type { ListeningSocket } from '../../src/reactor/reactor.js';

export const LISTENING: ListeningSocket = { fd: -1, port: 1, address: { kind: 'unix', path: '' } };

/** The first one is where clients come in, unless another process still takes them. */
export function startOfWorker(
  settings: Resolved['settings'],
  pools: readonly PoolStart[],
  shared: SharedState,
  index: number,
): WorkerStart {
  return {
    index,
    workers: settings.workerThreads,
    settings,
    pools,
    shared,
    listening: index === 0 ? LISTENING : null,
    wakeFd: -1 as Fd, // nothing writes to it
    posted: new SharedArrayBuffer(4),
    processor: null,
    hasPredecessor: false,
    statementKey: Buffer.from('key of the simulation'),
    cancelSigningKey: Buffer.from('another key of the simulation'),
    logLevel: 'info',
    mockKey: Buffer.from('a third key of the simulation'),
    version: '0',
  };
}

/** … where nobody else opens the pools. */
export function workerStart({ settings, pools }: Resolved, shared: SharedState, index: number): WorkerStart {
  for (const pool of pools.keys()) {
    new SharedPool(shared.pools, pool, settings.workerThreads, index).isOpen = true;
  }
  return startOfWorker(
    settings,
    pools.map((each, pool) => ({ pool, settings: each })),
    shared,
    index,
  );
}
