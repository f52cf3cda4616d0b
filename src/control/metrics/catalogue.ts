/** Every metric: its name, type, labels and what it says. The page, its documentation, the dashboard and the alerts are
 *  made from this list. Those that are `documented` are PgDoorman's: gauges, also where they only grow, in milliseconds
 *  where they are durations. The others follow Prometheus's conventions. */

type MetricType = 'gauge' | 'counter' | 'histogram';

export interface MetricInfo {
  readonly type: MetricType;
  readonly labels: readonly string[];
  readonly help: string;
  /** PgDoorman 3.3.1 has it too. */
  readonly isDocumented?: boolean;
}

const POOL = ['user', 'database'] as const;

export const METRICS = {
  // ── the process ────────────────────────────────────────────────────────────────────────────────────────────────
  pg_doorman_build_info: { type: 'gauge', labels: ['version'], help: 'Always 1; the version is a label.' },
  pg_doorman_start_time_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the process was started, in seconds since 1970.',
  },
  pg_doorman_total_memory: {
    type: 'gauge',
    labels: [],
    help: 'Memory of the process in bytes (resident set size).',
    isDocumented: true,
  },
  pg_doorman_cpu_seconds_total: {
    type: 'counter',
    labels: [],
    help: 'Processor time of the process with all its threads, user and system.',
  },
  pg_doorman_worker_up: { type: 'gauge', labels: ['worker'], help: '1 while the worker thread serves.' },
  pg_doorman_worker_clients: {
    type: 'gauge',
    labels: ['worker'],
    help: 'Clients of a worker thread, logged in or not.',
  },
  pg_doorman_worker_servers: { type: 'gauge', labels: ['worker'], help: 'Servers of a worker thread.' },
  pg_doorman_worker_busy_ratio: {
    type: 'gauge',
    labels: ['worker'],
    help: 'Share of a processor that the worker thread had in the last second.',
  },
  pg_doorman_worker_deaths_total: {
    type: 'counter',
    labels: [],
    help: 'Worker threads that have died and were replaced; their clients have lost their connections.',
  },

  // ── connections ────────────────────────────────────────────────────────────────────────────────────────────────
  pg_doorman_connection_count: {
    type: 'gauge',
    labels: ['type'],
    help: "New connections since the start: 'plain', 'tls', 'cancel' (cancel requests) and 'total' (all of them).",
    isDocumented: true,
  },
  pg_doorman_connections_accepted_total: {
    type: 'counter',
    labels: [],
    help: 'Connections that were accepted, whatever came of them.',
  },
  pg_doorman_connections_total: {
    type: 'counter',
    labels: ['type'],
    help: "Connections by what their first packet showed them to be: 'plain', 'tls' or 'cancel'.",
  },
  pg_doorman_logins_refused_total: {
    type: 'counter',
    labels: [],
    help: 'Logins that were refused, and TLS handshakes that failed.',
  },
  pg_doorman_clients: { type: 'gauge', labels: [], help: 'Clients of the process, logged in or not.' },
  pg_doorman_max_connections: { type: 'gauge', labels: [], help: 'How many clients there may be.' },
  pg_doorman_sockets: {
    type: 'gauge',
    labels: ['type'],
    help: "Open sockets of the process: 'tcp', 'tcp6', 'unix' and 'unknown'; counted every 30 seconds at most.",
    isDocumented: true,
  },

  // ── pools ──────────────────────────────────────────────────────────────────────────────────────────────────────
  pg_doorman_pools_clients: {
    type: 'gauge',
    labels: ['status', ...POOL],
    help: "Clients now: 'idle', 'waiting' (for a server) and 'active' (having one).",
    isDocumented: true,
  },
  pg_doorman_pools_servers: {
    type: 'gauge',
    labels: ['status', ...POOL],
    help: "Servers now: 'active' (a client has it), 'idle', 'used' (being cleaned or checked) and 'login' (being opened).",
    isDocumented: true,
  },
  pg_doorman_pool_size: { type: 'gauge', labels: POOL, help: 'How many servers there may be.' },
  pg_doorman_pools_bytes: {
    type: 'gauge',
    labels: ['direction', ...POOL],
    help: "Bytes since the start: 'received' from clients and 'sent' to clients.",
    isDocumented: true,
  },
  pg_doorman_pools_bytes_total: {
    type: 'counter',
    labels: ['direction', ...POOL],
    help: "Bytes 'received' from clients and 'sent' to clients.",
  },
  pg_doorman_pools_servers_opened_total: {
    type: 'counter',
    labels: POOL,
    help: 'Servers that have logged in.',
  },
  pg_doorman_pools_servers_closed_total: {
    type: 'counter',
    labels: POOL,
    help: 'Servers that had logged in and were closed, for whatever reason.',
  },
  pg_doorman_pools_server_open_failures_total: {
    type: 'counter',
    labels: POOL,
    help: 'Attempts to open a server that failed: not reached, login refused, no descriptor.',
  },
  pg_doorman_pools_server_handovers_total: {
    type: 'counter',
    labels: POOL,
    help: 'Servers that one worker thread has handed over to another.',
  },

  // ── queries and transactions ───────────────────────────────────────────────────────────────────────────────────
  pg_doorman_pools_queries_percentile: {
    type: 'gauge',
    labels: ['percentile', ...POOL],
    help: 'Duration of queries in milliseconds, of the last whole period of 15 seconds: 50, 90, 95 and 99. 0 when there were none.',
    isDocumented: true,
  },
  pg_doorman_pools_transactions_percentile: {
    type: 'gauge',
    labels: ['percentile', ...POOL],
    help: 'Duration of transactions in milliseconds, of the last whole period of 15 seconds: 50, 90, 95 and 99. 0 when there were none.',
    isDocumented: true,
  },
  pg_doorman_pools_transactions_count: {
    type: 'gauge',
    labels: POOL,
    help: 'Transactions since the start.',
    isDocumented: true,
  },
  pg_doorman_pools_transactions_total: { type: 'counter', labels: POOL, help: 'Transactions.' },
  pg_doorman_pools_transactions_total_time: {
    type: 'gauge',
    labels: POOL,
    help: 'Milliseconds in transactions since the start.',
    isDocumented: true,
  },
  pg_doorman_pools_queries_count: {
    type: 'gauge',
    labels: POOL,
    help: 'Queries since the start.',
    isDocumented: true,
  },
  pg_doorman_pools_queries_total: { type: 'counter', labels: POOL, help: 'Queries.' },
  pg_doorman_pools_queries_total_time: {
    type: 'gauge',
    labels: POOL,
    help: 'Milliseconds in queries since the start.',
    isDocumented: true,
  },
  pg_doorman_pools_avg_wait_time: {
    type: 'gauge',
    labels: POOL,
    help: 'Mean time in milliseconds that clients waited for a server in the last whole period of 15 seconds.',
    isDocumented: true,
  },
  pg_doorman_pools_query_duration_seconds: {
    type: 'histogram',
    labels: POOL,
    help: 'Time from a query (a Query, or a batch up to its Sync) to the end of its answer.',
  },
  pg_doorman_pools_transaction_duration_seconds: {
    type: 'histogram',
    labels: POOL,
    help: 'Time that a client had its server for a transaction.',
  },
  pg_doorman_pools_wait_duration_seconds: {
    type: 'histogram',
    labels: POOL,
    help: 'Time that clients waited for a server, those who got one at once and those who waited in vain included.',
  },
  pg_doorman_pools_errors_total: {
    type: 'counter',
    labels: ['sqlstate', ...POOL],
    help: "Errors that clients were sent, by PostgreSQL and by the pooler; rare codes are 'other'.",
  },
  pg_doorman_servers_prepared_hits: {
    type: 'gauge',
    labels: POOL,
    help: 'Statements since the start that the server had prepared already.',
    isDocumented: true,
  },
  pg_doorman_servers_prepared_hits_total: {
    type: 'counter',
    labels: POOL,
    help: 'Statements that the server had prepared already.',
  },
  pg_doorman_servers_prepared_misses: {
    type: 'gauge',
    labels: POOL,
    help: 'Statements since the start that had to be prepared on the server.',
    isDocumented: true,
  },
  pg_doorman_servers_prepared_misses_total: {
    type: 'counter',
    labels: POOL,
    help: 'Statements that had to be prepared on the server.',
  },

  // ── auth_query ─────────────────────────────────────────────────────────────────────────────────────────────────
  pg_doorman_auth_query_cache: {
    type: 'gauge',
    labels: ['type', 'database'],
    help: "'entries' that are kept now; since the start 'hits', 'misses', 'refetches' (after a wrong password) and 'rate_limited' (refetches that min_interval forbade).",
    isDocumented: true,
  },
  pg_doorman_auth_query_auth: {
    type: 'gauge',
    labels: ['result', 'database'],
    help: "Logins since the start: 'success' and 'failure'.",
    isDocumented: true,
  },
  pg_doorman_auth_query_executor: {
    type: 'gauge',
    labels: ['type', 'database'],
    help: "Since the start: 'queries' to PostgreSQL for credentials, and 'errors', those that failed.",
    isDocumented: true,
  },
  pg_doorman_auth_query_dynamic_pools: {
    type: 'gauge',
    labels: ['type', 'database'],
    help: "Pools made for users that auth_query has found: 'current' ones; 'created' and 'destroyed' since the start.",
    isDocumented: true,
  },
  pg_doorman_auth_query_cache_lookups_total: {
    type: 'counter',
    labels: ['result', 'database'],
    help: "Lookups of credentials: 'hit' or 'miss'.",
  },
  pg_doorman_auth_query_logins_total: {
    type: 'counter',
    labels: ['result', 'database'],
    help: "Logins of users that are looked up: 'success' or 'failure'.",
  },
  pg_doorman_auth_query_queries_total: {
    type: 'counter',
    labels: ['database'],
    help: 'Queries to PostgreSQL for credentials.',
  },
  pg_doorman_auth_query_query_errors_total: {
    type: 'counter',
    labels: ['database'],
    help: 'Queries to PostgreSQL for credentials that failed.',
  },
} as const satisfies Record<string, MetricInfo>;

export type MetricName = keyof typeof METRICS;

/** All of them, in the order of the page. */
export const METRIC_LIST: readonly (readonly [MetricName, MetricInfo])[] = Object.entries<MetricInfo>(
  METRICS,
).flatMap(([name, info]) => (isMetricName(name) ? [[name, info] as const] : []));

function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name);
}
