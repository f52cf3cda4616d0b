/** The page of metrics, without a process behind it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METRIC_LIST, METRICS } from '../../../../src/control/metrics/catalogue.js';
import { MetricsPage, metricsText } from '../../../../src/control/metrics/metrics-page.js';
import { Counter, Gauge, Histogram } from '../../../../src/pooler/counters.js';
import { threadCpuMs } from '../../../../src/reactor/libc.js';
import { readExposition, sampleValue } from '../../../support/exposition.js';
import { AUTH_QUERY, figures } from './figures.js';

const FIRST = { user: 'application_user_0', database: 'database_0' };

test('a strict reader accepts it, and it has every metric of the list, in its order', () => {
  const { source } = figures(2, 2, { authQuery: () => [AUTH_QUERY] });
  const families = readExposition(metricsText(source));
  assert.deepEqual(
    [...families.values()].map(({ name, type, help }) => [name, type, help]),
    METRIC_LIST.map(([name, { type, help }]) => [name, type, help]),
  );
  for (const { name, samples } of families.values()) assert.ok(samples.length > 0, name);
});

test('the metrics of 3.3.1 are there, with their labels', () => {
  const documented = Object.entries(METRICS).filter(([, info]) => 'isDocumented' in info);
  assert.deepEqual(Object.fromEntries(documented.map(([name, { labels }]) => [name, [...labels].sort()])), {
    pg_doorman_total_memory: [],
    pg_doorman_connection_count: ['type'],
    pg_doorman_sockets: ['type'],
    pg_doorman_pools_clients: ['database', 'status', 'user'],
    pg_doorman_pools_servers: ['database', 'status', 'user'],
    pg_doorman_pools_bytes: ['database', 'direction', 'user'],
    pg_doorman_pools_queries_percentile: ['database', 'percentile', 'user'],
    pg_doorman_pools_transactions_percentile: ['database', 'percentile', 'user'],
    pg_doorman_pools_transactions_count: ['database', 'user'],
    pg_doorman_pools_transactions_total_time: ['database', 'user'],
    pg_doorman_pools_queries_count: ['database', 'user'],
    pg_doorman_pools_queries_total_time: ['database', 'user'],
    pg_doorman_pools_avg_wait_time: ['database', 'user'],
    pg_doorman_servers_prepared_hits: ['database', 'user'],
    pg_doorman_servers_prepared_misses: ['database', 'user'],
    pg_doorman_auth_query_cache: ['database', 'type'],
    pg_doorman_auth_query_auth: ['database', 'result'],
    pg_doorman_auth_query_executor: ['database', 'type'],
    pg_doorman_auth_query_dynamic_pools: ['database', 'type'],
  });
});

test('old durations are milliseconds, new ones seconds', () => {
  const { source, statistics, rows } = figures(1);
  rows[0]?.add(Counter.Queries, 2);
  rows[0]?.took(Histogram.Query, Counter.QueryTime, 32 * 30);
  rows[0]?.took(Histogram.Query, Counter.QueryTime, 32 * 30);
  rows[0]?.add(Counter.Assignments, 2);
  rows[0]?.took(Histogram.Wait, Counter.WaitTime, 32 * 8);
  statistics.beginPeriod();
  const families = readExposition(metricsText(source));
  const value = (name: string, labels = {}): number => sampleValue(families, name, { ...FIRST, ...labels });
  assert.equal(value('pg_doorman_pools_queries_total_time'), 60);
  assert.equal(value('pg_doorman_pools_query_duration_seconds_sum'), 0.06);
  assert.equal(value('pg_doorman_pools_avg_wait_time'), 4);
  assert.equal(value('pg_doorman_pools_wait_duration_seconds_sum'), 0.008);
  const median = value('pg_doorman_pools_queries_percentile', { percentile: '50' });
  assert.ok(median >= 28 && median <= 32);
});

test('a duration is below each bound of the histogram that it is below, and below no other', () => {
  const { source, rows } = figures(1);
  rows[0]?.took(Histogram.Query, Counter.QueryTime, 159); // just below 5 ms
  rows[0]?.took(Histogram.Query, Counter.QueryTime, 161);
  rows[0]?.took(Histogram.Query, Counter.QueryTime, 2 ** 30);
  const families = readExposition(metricsText(source));
  const below = (le: string): number =>
    sampleValue(families, 'pg_doorman_pools_query_duration_seconds_bucket', { ...FIRST, le });
  assert.deepEqual(['0.002', '0.005', '0.01', '327.68', '+Inf'].map(below), [0, 1, 2, 2, 3]);
});

test('clients and servers are told by what they do, over all workers', () => {
  const { source, rows } = figures(1, 2);
  for (const row of rows) for (let i = 0; i < 5; i++) row.change(Gauge.Clients, 1);
  rows[0]?.change(Gauge.ClientsWaiting, 1);
  for (const row of rows) {
    for (let gauge = Gauge.ServersLogin; gauge <= Gauge.ServersLeaving; gauge++) row.change(gauge, 1);
  }
  const families = readExposition(metricsText(source));
  const of = (what: string, status: string): number =>
    sampleValue(families, `pg_doorman_pools_${what}`, { status, ...FIRST });
  assert.deepEqual(
    ['idle', 'waiting', 'active'].map((status) => of('clients', status)),
    [7, 1, 2],
  );
  assert.deepEqual(
    ['active', 'idle', 'used', 'login'].map((status) => of('servers', status)),
    [2, 4, 4, 2],
  );
});

test('names that need it are escaped', () => {
  const { statistics } = figures(1);
  const user = 'a "quoted" \\ name\nof two lines';
  const { source } = figures(1, 1, {
    pools: () => [{ user, database: 'ä{}', poolSize: 1, statistics: statistics.ofPool(0) }],
  });
  assert.equal(
    sampleValue(readExposition(metricsText(source)), 'pg_doorman_pool_size', { user, database: 'ä{}' }),
    1,
  );
});

test('sockets are left out while they have not been counted', () => {
  const { source } = figures(1, 1, { sockets: () => null });
  assert.equal(readExposition(metricsText(source)).has('pg_doorman_sockets'), false);
});

test('all who ask within a quarter of a second get the same page', () => {
  let nowMs = 0;
  let reads = 0;
  const { source } = figures(1, 1, {
    clients: () => {
      reads++;
      return 0;
    },
  });
  const page = new MetricsPage(source, () => nowMs);
  const first = page.bytes;
  nowMs = 249;
  assert.equal(page.bytes, first);
  assert.equal(reads, 1);
  nowMs = 250;
  assert.notEqual(page.bytes, first);
  assert.equal(reads, 2);
});

test('a page of 200 pools takes less than 50 ms of the main thread', () => {
  const { source, rows } = figures(200, 4);
  for (const row of rows) {
    for (let ticks = 1; ticks < 2 ** 24; ticks *= 2) {
      row.took(Histogram.Query, Counter.QueryTime, ticks);
      row.took(Histogram.Transaction, Counter.TransactionTime, ticks);
      row.took(Histogram.Wait, Counter.WaitTime, ticks);
    }
    for (const sqlstate of ['40001', '57014', '42P01']) row.countError(sqlstate);
  }
  const costs = Array.from({ length: 5 }, () => {
    const begin = threadCpuMs();
    assert.ok(Buffer.from(metricsText(source)).length > 1_000_000);
    return threadCpuMs() - begin;
  });
  assert.ok(Math.min(...costs) < 50, `${costs.map((each) => each.toFixed(1)).join(', ')} ms`);
});
