/** How many servers each pool of the old process still has: they count in the new one's pool_size. */
import type { Workers } from '../workers.js';
import type { ServerCounts } from './process-messages.js';

/** Of the pools that have any. */
export function serverCounts({ pools }: Workers): ServerCounts {
  return [...pools.all()]
    .map(([pool, { database, user }]) => ({ database, user, servers: pools.sharedPool(pool).size }))
    .filter(({ servers }) => servers > 0);
}

/** The servers of the process before, in this one's pools. */
export class ForeignServers {
  private readonly workers: Workers;
  /** By pool. */
  private readonly counts = new Map<number, number>();

  /** Until it is known how many there are, it may be as many as there may be. */
  constructor(workers: Workers) {
    this.workers = workers;
    for (const [pool, { poolSize }] of workers.pools.all()) this.set(pool, poolSize);
  }

  /** So many are left; none in pools that are not named. */
  are(counts: ServerCounts): void {
    const byPool = new Map(counts.map(({ database, user, servers }) => [keyOf(database, user), servers]));
    for (const [pool, { database, user }] of this.workers.pools.all())
      this.set(pool, byPool.get(keyOf(database, user)) ?? 0);
  }

  private set(pool: number, servers: number): void {
    const change = servers - (this.counts.get(pool) ?? 0);
    if (change === 0) return;
    this.counts.set(pool, servers);
    this.workers.pools.sharedPool(pool).occupy(change);
    if (change < 0) this.workers.postToAll({ type: 'roomCame', pool });
  }
}

function keyOf(database: string, user: string): string {
  return `${database}\0${user}`;
}
