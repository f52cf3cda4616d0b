/** The metrics of each pool. */
import { COUNTED_SQLSTATES, OTHER_SQLSTATES } from '../../pooler/counted-sqlstates.js';
import { Counter, Gauge, Histogram } from '../../pooler/counters.js';
import { PERCENTILES } from '../percentiles.js';
import type { PoolStatistics } from '../statistics.js';
import type { MetricName } from './catalogue.js';
import { type Exposition, type LabelText, labelText } from './exposition.js';
import { BOUNDS, histogramSample } from './latency-buckets.js';
import type { MonitoredPool } from './source.js';

const US_PER_MS = 1000;

interface LabelledPool extends MonitoredPool {
  readonly labels: LabelText;
}

/** Writes one metric's samples of one pool. */
type Write = (page: Exposition, pool: LabelledPool) => void;

export function writePoolMetrics(page: Exposition, pools: readonly MonitoredPool[]): void {
  const labelled = pools.map((pool) => ({
    ...pool,
    labels: labelText({ user: pool.user, database: pool.database }),
  }));
  for (const [name, write] of POOL_METRICS) {
    page.begin(name);
    for (const pool of labelled) write(page, pool);
  }
}

const POOL_METRICS: readonly (readonly [MetricName, Write])[] = [
  [
    'pg_doorman_pools_clients',
    (page, { labels, statistics: { row } }) => {
      const waiting = row.now(Gauge.ClientsWaiting);
      const active = row.now(Gauge.ServersActive); // each of them is linked to a client
      page.sample(`status="idle",${labels}`, Math.max(0, row.now(Gauge.Clients) - waiting - active));
      page.sample(`status="waiting",${labels}`, waiting);
      page.sample(`status="active",${labels}`, active);
    },
  ],
  [
    'pg_doorman_pools_servers',
    (page, { labels, statistics: { row } }) => {
      const idle = row.now(Gauge.ServersIdle) + row.now(Gauge.ServersLeaving);
      const used = row.now(Gauge.ServersCleaning) + row.now(Gauge.ServersChecking);
      page.sample(`status="active",${labels}`, row.now(Gauge.ServersActive));
      page.sample(`status="idle",${labels}`, idle);
      page.sample(`status="used",${labels}`, used);
      page.sample(`status="login",${labels}`, row.now(Gauge.ServersLogin));
    },
  ],
  ['pg_doorman_pool_size', (page, { labels, poolSize }) => page.sample(labels, poolSize)],
  ['pg_doorman_pools_bytes', bytes],
  ['pg_doorman_pools_bytes_total', bytes],
  ['pg_doorman_pools_servers_opened_total', total(Counter.ServersOpened)],
  ['pg_doorman_pools_servers_closed_total', total(Counter.ServersClosed)],
  ['pg_doorman_pools_server_open_failures_total', total(Counter.OpenFailures)],
  ['pg_doorman_pools_server_handovers_total', total(Counter.HandOvers)],
  ['pg_doorman_pools_queries_percentile', percentiles(Histogram.Query)],
  ['pg_doorman_pools_transactions_percentile', percentiles(Histogram.Transaction)],
  ['pg_doorman_pools_transactions_count', total(Counter.Transactions)],
  ['pg_doorman_pools_transactions_total', total(Counter.Transactions)],
  ['pg_doorman_pools_transactions_total_time', milliseconds(Counter.TransactionTime)],
  ['pg_doorman_pools_queries_count', total(Counter.Queries)],
  ['pg_doorman_pools_queries_total', total(Counter.Queries)],
  ['pg_doorman_pools_queries_total_time', milliseconds(Counter.QueryTime)],
  [
    'pg_doorman_pools_avg_wait_time',
    (page, { labels, statistics }) =>
      page.sample(labels, statistics.lastPeriodMean(Counter.WaitTime, Counter.Assignments) / US_PER_MS),
  ],
  ['pg_doorman_pools_query_duration_seconds', durations(Histogram.Query, Counter.QueryTime)],
  [
    'pg_doorman_pools_transaction_duration_seconds',
    durations(Histogram.Transaction, Counter.TransactionTime),
  ],
  ['pg_doorman_pools_wait_duration_seconds', durations(Histogram.Wait, Counter.WaitTime)],
  ['pg_doorman_pools_errors_total', errors],
  ['pg_doorman_servers_prepared_hits', total(Counter.PreparedHits)],
  ['pg_doorman_servers_prepared_hits_total', total(Counter.PreparedHits)],
  ['pg_doorman_servers_prepared_misses', total(Counter.PreparedMisses)],
  ['pg_doorman_servers_prepared_misses_total', total(Counter.PreparedMisses)],
];

function total(counter: Counter): Write {
  return (page, { labels, statistics }) => page.sample(labels, statistics.total(counter));
}

function milliseconds(counter: Counter): Write {
  return (page, { labels, statistics }) => page.sample(labels, statistics.total(counter) / US_PER_MS);
}

function bytes(page: Exposition, { labels, statistics }: LabelledPool): void {
  page.sample(`direction="received",${labels}`, statistics.total(Counter.Received));
  page.sample(`direction="sent",${labels}`, statistics.total(Counter.Sent));
}

function percentiles(histogram: Histogram): Write {
  return (page, { labels, statistics }) => {
    const values = statistics.lastPeriodPercentiles(histogram);
    for (const [place, percentile] of PERCENTILES.entries())
      page.sample(`percentile="${percentile}",${labels}`, values[place] ?? 0);
  };
}

function durations(histogram: Histogram, sum: Counter): Write {
  return (page, { labels, statistics: { row } }: { labels: LabelText; statistics: PoolStatistics }) =>
    page.histogram(labels, BOUNDS, histogramSample(row.buckets(histogram), row.get(sum)));
}

/** Codes that never came are left out: with many pools they would be most of the page. */
function errors(page: Exposition, { labels, statistics: { row } }: LabelledPool): void {
  const counts = row.errors;
  for (const [place, sqlstate] of COUNTED_SQLSTATES.entries()) {
    const count = counts[place] ?? 0;
    if (count > 0 || sqlstate === OTHER_SQLSTATES) page.sample(`sqlstate="${sqlstate}",${labels}`, count);
  }
}
