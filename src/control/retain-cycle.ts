/** Every retain_connections_time: closes idle servers that are past their time, in all workers together, the oldest of
 *  each pool first, retain_connections_max of them at most; then has pools filled up to min_pool_size. */
import type { DataPlaneSettings, PoolSettings } from '../pooler/settings.js';
import type { ExpiredServer, ToWorker } from '../pooler/thread-messages.js';

/** A worker, as far as the cycle needs it. */
export interface RetainedWorker {
  expired(): Promise<readonly ExpiredServer[]>;
  post(message: ToWorker): void;
}

/** One cycle. `workers` are those that live now. */
export async function retainCycle(
  { retainConnectionsMax }: DataPlaneSettings,
  pools: Iterable<readonly [number, PoolSettings]>,
  workers: readonly RetainedWorker[],
): Promise<void> {
  const found = await Promise.all(
    workers.map(async (worker) => (await worker.expired()).map((each) => ({ ...each, worker }))),
  );
  const quota = retainConnectionsMax === 0 ? Number.POSITIVE_INFINITY : retainConnectionsMax;
  const inOrder = found.flat().sort((a, b) => a.pool - b.pool || a.createdMs - b.createdMs);
  for (const { worker, pool, server } of inOrder.slice(0, quota)) {
    worker.post({ type: 'closeExpired', pool, server });
  }
  fillPools(pools, workers);
}

/** Has each pool filled that wants a minimum, by one worker or another. */
export function fillPools(
  pools: Iterable<readonly [number, PoolSettings]>,
  workers: readonly RetainedWorker[],
): void {
  for (const [pool, { minPoolSize }] of pools) {
    if (minPoolSize > 0) workers[pool % workers.length]?.post({ type: 'fill', pool });
  }
}
