import { numeric, type ShowCommand, text } from './command.js';

/** One row for each database with auth_query; counters since the start, or since a RELOAD that has changed it. */
export const SHOW_AUTH_QUERY: ShowCommand = {
  name: 'AUTH_QUERY',
  columns: [
    text('database'),
    numeric('cache_entries'),
    numeric('cache_hits'),
    numeric('cache_misses'),
    numeric('cache_refetches'),
    numeric('cache_rate_limited'),
    numeric('auth_success'),
    numeric('auth_failure'),
    numeric('executor_queries'),
    numeric('executor_errors'),
    numeric('dynamic_pools_current'),
    numeric('dynamic_pools_created'),
    numeric('dynamic_pools_destroyed'),
  ],
  rows: ({ authQuery }) =>
    authQuery().map((each) => [
      each.database,
      each.cache_entries,
      each.cache_hits,
      each.cache_misses,
      each.cache_refetches,
      each.cache_rate_limited,
      each.auth_success,
      each.auth_failure,
      each.executor_queries,
      each.executor_errors,
      each.dynamic_pools_current,
      each.dynamic_pools_created,
      each.dynamic_pools_destroyed,
    ]),
};
