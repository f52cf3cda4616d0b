/** A source of metrics with figures of one's own. */
import type { MetricsSource } from '../../../../src/control/metrics/source.js';
import { Statistics } from '../../../../src/control/statistics.js';
import { Counters, countersBytes } from '../../../../src/pooler/counters.js';
import { counterRow } from '../../../../src/pooler/thread-messages.js';
import { poolsOf } from '../pools-of.js';

export interface Figures {
  readonly source: MetricsSource;
  readonly statistics: Statistics;
  /** By worker and pool: worker * pools + pool. */
  readonly rows: readonly Counters[];
}

export function figures(pools: number, workers = 1, more: Partial<MetricsSource> = {}): Figures {
  const memory = new SharedArrayBuffer(countersBytes(counterRow(workers, 0)));
  const statistics = new Statistics(memory, workers, poolsOf(pools));
  const source: MetricsSource = {
    version: '1.2.3',
    pools: () =>
      Array.from({ length: pools }, (_, pool) => ({
        user: `application_user_${pool}`,
        database: `database_${pool}`,
        poolSize: 40,
        statistics: statistics.ofPool(pool),
      })),
    workers: () => [{ worker: 0, isAlive: true, clients: 3, servers: 2, busy: 0.25 }],
    workerDeaths: () => 1,
    connections: () => ({ total: 10, errors: 2, tls: 3, plain: 5, cancel: 1 }),
    clients: () => 3,
    maxConnections: () => 100,
    authQuery: () => [],
    sockets: () => ({ tcp: 4, tcp6: 3, unix: 2, unknown: 1 }),
    ...more,
  };
  return {
    source,
    statistics,
    rows: Array.from(
      { length: pools * workers },
      (_, row) => new Counters(memory, counterRow(Math.floor(row / pools), row % pools)),
    ),
  };
}

export const AUTH_QUERY = {
  database: 'app',
  cache_entries: 1,
  cache_hits: 2,
  cache_misses: 3,
  cache_refetches: 4,
  cache_rate_limited: 5,
  auth_success: 6,
  auth_failure: 7,
  executor_queries: 8,
  executor_errors: 9,
  dynamic_pools_current: 10,
  dynamic_pools_created: 11,
  dynamic_pools_destroyed: 12,
};
