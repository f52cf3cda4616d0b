/** How many servers each pool of the old process still has: they count in the new one's pool_size. */
import type { PoolSettings } from '../../pooler/settings.js';
import type { Workers } from '../workers.js';
import type { ServerCounts } from './process-messages.js';

/** Of the pools that have any. */
export function serverCounts(pools: readonly PoolSettings[], workers: Workers): ServerCounts {
  return pools
    .map(({ database, user }, pool) => ({ database, user, servers: workers.sharedPool(pool).size }))
    .filter(({ servers }) => servers > 0);
}

/** The servers of the process before, in this one's pools. */
export class ForeignServers {
  private readonly pools: readonly PoolSettings[];
  private readonly workers: Workers;
  private readonly counts: number[];

  /** Until it is known how many there are, it may be as many as there may be. */
  constructor(pools: readonly PoolSettings[], workers: Workers) {
    this.pools = pools;
    this.workers = workers;
    this.counts = pools.map(() => 0);
    for (const [pool, { poolSize }] of pools.entries()) this.set(pool, poolSize);
  }

  /** So many are left; none in pools that are not named. */
  are(counts: ServerCounts): void {
    const byPool = new Map(counts.map(({ database, user, servers }) => [keyOf(database, user), servers]));
    for (const [pool, { database, user }] of this.pools.entries())
      this.set(pool, byPool.get(keyOf(database, user)) ?? 0);
  }

  private set(pool: number, servers: number): void {
    const change = servers - (this.counts[pool] ?? 0);
    if (change === 0) return;
    this.counts[pool] = servers;
    this.workers.sharedPool(pool).occupy(change);
    if (change < 0) this.workers.postToAll({ type: 'roomCame', pool });
  }
}

function keyOf(database: string, user: string): string {
  return `${database}\0${user}`;
}
