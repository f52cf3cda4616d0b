/** What the metrics are made of: nothing that a worker would have to be asked for. */
import type { PoolStatistics } from '../statistics.js';

export interface MonitoredPool {
  readonly user: string;
  readonly database: string;
  readonly poolSize: number;
  readonly statistics: PoolStatistics;
}

interface MonitoredWorker {
  readonly worker: number;
  readonly isAlive: boolean;
  readonly clients: number;
  readonly servers: number;
  /** 0 to 1. */
  readonly busy: number;
}

/** Since the start. */
interface ConnectionTotals {
  readonly total: number;
  readonly errors: number;
  readonly tls: number;
  readonly plain: number;
  readonly cancel: number;
}

/** A row of SHOW AUTH_QUERY. */
export interface AuthQueryFigures {
  readonly database: string;
  readonly cache_entries: number;
  readonly cache_hits: number;
  readonly cache_misses: number;
  readonly cache_refetches: number;
  readonly cache_rate_limited: number;
  readonly auth_success: number;
  readonly auth_failure: number;
  readonly executor_queries: number;
  readonly executor_errors: number;
  readonly dynamic_pools_current: number;
  readonly dynamic_pools_created: number;
  readonly dynamic_pools_destroyed: number;
}

/** How many sockets there are of each type: tcp, tcp6, unix, unknown. */
type SocketTypes = Readonly<Record<string, number>>;

export interface MetricsSource {
  readonly version: string;
  pools(): readonly MonitoredPool[];
  workers(): readonly MonitoredWorker[];
  workerDeaths(): number;
  connections(): ConnectionTotals;
  clients(): number;
  maxConnections(): number;
  /** Databases with auth_query. */
  authQuery(): readonly AuthQueryFigures[];
  /** null while they have not been counted yet. */
  sockets(): SocketTypes | null;
}
