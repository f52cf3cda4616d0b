/** What SHOW AUTH_QUERY and the metrics tell of one database. */

/** Since the start. */
export class AuthQueryCounters {
  cacheHits = 0;
  cacheMisses = 0;
  cacheRefetches = 0;
  cacheRateLimited = 0;
  authSuccess = 0;
  authFailure = 0;
  executorQueries = 0;
  executorErrors = 0;
  dynamicPoolsCreated = 0;
  dynamicPoolsDestroyed = 0;
}

/** One row of SHOW AUTH_QUERY, its columns in their order. */
export interface AuthQuerySnapshot {
  readonly database: string;
  /** Users whose answer is kept, those who do not exist included. */
  readonly cache_entries: number;
  readonly cache_hits: number;
  /** Logins for which PostgreSQL was asked. */
  readonly cache_misses: number;
  /** Times that it was asked again because a password was wrong. */
  readonly cache_refetches: number;
  /** … and was not, because of min_interval. */
  readonly cache_rate_limited: number;
  readonly auth_success: number;
  /** Wrong passwords, and names that do not exist. */
  readonly auth_failure: number;
  readonly executor_queries: number;
  /** Queries and connections that failed. */
  readonly executor_errors: number;
  readonly dynamic_pools_current: number;
  readonly dynamic_pools_created: number;
  readonly dynamic_pools_destroyed: number;
}
