/** The page `/metrics`: written when it is asked for, and given to all who ask soon afterwards, so that no number of
 *  scrapers can keep the main thread busy. */
import type { MetricName } from './catalogue.js';
import { Exposition, labelText } from './exposition.js';
import { writePoolMetrics } from './pool-metrics.js';
import type { AuthQueryFigures, MetricsSource } from './source.js';

/** So long the same page is given. */
const FRESH_MS = 250;
const US_PER_SECOND = 1_000_000;

export class MetricsPage {
  private readonly source: MetricsSource;
  private readonly nowMs: () => number;
  private page: Uint8Array = new Uint8Array(0);
  private writtenMs = Number.NEGATIVE_INFINITY;

  constructor(source: MetricsSource, nowMs: () => number = () => performance.now()) {
    this.source = source;
    this.nowMs = nowMs;
  }

  /** Not older than FRESH_MS. */
  get bytes(): Uint8Array {
    if (this.nowMs() - this.writtenMs >= FRESH_MS) {
      this.page = Buffer.from(metricsText(this.source));
      this.writtenMs = this.nowMs();
    }
    return this.page;
  }
}

export function metricsText(source: MetricsSource): string {
  const page = new Exposition();
  writeProcess(page, source);
  writeConnections(page, source);
  writePoolMetrics(page, source.pools());
  writeAuthQuery(page, source.authQuery());
  return page.text;
}

function writeProcess(page: Exposition, source: MetricsSource): void {
  const one = (name: MetricName, value: number, labels = ''): void => {
    page.begin(name);
    page.sample(labels, value);
  };
  const { user, system } = process.cpuUsage();
  one('pg_doorman_build_info', 1, labelText({ version: source.version }));
  one('pg_doorman_start_time_seconds', Math.round(Date.now() / 1000 - process.uptime()));
  one('pg_doorman_total_memory', process.memoryUsage.rss());
  one('pg_doorman_cpu_seconds_total', (user + system) / US_PER_SECOND);
  const workers = source.workers();
  const each = (name: MetricName, of: (worker: (typeof workers)[number]) => number): void => {
    page.begin(name);
    for (const worker of workers) page.sample(`worker="${worker.worker}"`, of(worker));
  };
  each('pg_doorman_worker_up', ({ isAlive }) => (isAlive ? 1 : 0));
  each('pg_doorman_worker_clients', ({ clients }) => clients);
  each('pg_doorman_worker_servers', ({ servers }) => servers);
  each('pg_doorman_worker_busy_ratio', ({ busy }) => busy);
  one('pg_doorman_worker_deaths_total', source.workerDeaths());
}

function writeConnections(page: Exposition, source: MetricsSource): void {
  const { total, errors, plain, tls, cancel } = source.connections();
  writeByLabel(page, 'pg_doorman_connection_count', 'type', { plain, tls, cancel, total });
  page.begin('pg_doorman_connections_accepted_total');
  page.sample('', total);
  writeByLabel(page, 'pg_doorman_connections_total', 'type', { plain, tls, cancel });
  page.begin('pg_doorman_logins_refused_total');
  page.sample('', errors);
  page.begin('pg_doorman_clients');
  page.sample('', source.clients());
  page.begin('pg_doorman_max_connections');
  page.sample('', source.maxConnections());
  const sockets = source.sockets();
  if (sockets !== null) writeByLabel(page, 'pg_doorman_sockets', 'type', sockets);
}

function writeByLabel(
  page: Exposition,
  name: MetricName,
  label: string,
  values: Readonly<Record<string, number>>,
): void {
  page.begin(name);
  for (const [each, value] of Object.entries(values)) page.sample(labelText({ [label]: each }), value);
}

/** Only where some database has auth_query. */
function writeAuthQuery(page: Exposition, rows: readonly AuthQueryFigures[]): void {
  if (rows.length === 0) return;
  for (const [name, label, of] of AUTH_QUERY) {
    page.begin(name);
    for (const row of rows) {
      const { database } = row;
      for (const [each, value] of Object.entries(of(row)))
        page.sample(labelText(label === '' ? { database } : { [label]: each, database }), value);
    }
  }
}

/** Name, label beside the database ('' for none), and the value for each value of the label. */
const AUTH_QUERY: readonly (readonly [
  MetricName,
  string,
  (row: AuthQueryFigures) => Readonly<Record<string, number>>,
])[] = [
  [
    'pg_doorman_auth_query_cache',
    'type',
    (row) => ({
      entries: row.cache_entries,
      hits: row.cache_hits,
      misses: row.cache_misses,
      refetches: row.cache_refetches,
      rate_limited: row.cache_rate_limited,
    }),
  ],
  [
    'pg_doorman_auth_query_auth',
    'result',
    (row) => ({ success: row.auth_success, failure: row.auth_failure }),
  ],
  [
    'pg_doorman_auth_query_executor',
    'type',
    (row) => ({ queries: row.executor_queries, errors: row.executor_errors }),
  ],
  [
    'pg_doorman_auth_query_dynamic_pools',
    'type',
    (row) => ({
      current: row.dynamic_pools_current,
      created: row.dynamic_pools_created,
      destroyed: row.dynamic_pools_destroyed,
    }),
  ],
  [
    'pg_doorman_auth_query_cache_lookups_total',
    'result',
    (row) => ({ hit: row.cache_hits, miss: row.cache_misses }),
  ],
  [
    'pg_doorman_auth_query_logins_total',
    'result',
    (row) => ({ success: row.auth_success, failure: row.auth_failure }),
  ],
  ['pg_doorman_auth_query_queries_total', '', (row) => ({ queries: row.executor_queries })],
  ['pg_doorman_auth_query_query_errors_total', '', (row) => ({ errors: row.executor_errors })],
];
