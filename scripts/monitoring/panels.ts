/** The panels of the dashboard, row by row. */
import type { MetricName } from '../../src/control/metrics/catalogue.js';

type Unit = 'short' | 's' | 'ms' | 'bytes' | 'Bps' | 'reqps' | 'ops' | 'percentunit' | 'dateTimeAsIso';

export interface Panel {
  readonly title: string;
  /** Its help is the panel's description. */
  readonly metric: MetricName;
  readonly unit: Unit;
  readonly kind: 'timeseries' | 'stat';
  /** PromQL and the legend of its series. */
  readonly queries: readonly (readonly [string, string])[];
  /** Of 24. */
  readonly width: number;
  readonly isStacked?: boolean;
}

export interface PanelRow {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const INSTANCE = 'instance=~"$instance"';
const POOL = `${INSTANCE}, database=~"$database", user=~"$user"`;
const LEGEND = '{{user}}@{{database}}';
const rate = (of: string): string => `rate(${of}[$__rate_interval])`;

interface More {
  readonly unit?: Unit;
  readonly width?: number;
  readonly isStacked?: boolean;
}

/** One query of one metric: `query` gets its name with the filters of the dashboard. */
function panel(
  title: string,
  metric: MetricName,
  query: (of: string) => string,
  legend: string,
  { unit = 'short', width = 8, isStacked = false, filter = POOL }: More & { filter?: string } = {},
): Panel {
  const queries = [[query(`${metric}{${filter}}`), legend]] as const;
  return { title, metric, unit, kind: 'timeseries', queries, width, isStacked };
}

function ofProcess(
  title: string,
  metric: MetricName,
  query: (of: string) => string,
  legend: string,
  more: More = {},
): Panel {
  return panel(title, metric, query, legend, { ...more, filter: INSTANCE });
}

function stat(title: string, metric: MetricName, expr: string, unit: Unit = 'short'): Panel {
  return { title, metric, unit, kind: 'stat', queries: [[expr, '']], width: 4 };
}

/** Quantiles of a histogram over all chosen pools. */
function quantiles(title: string, metric: MetricName): Panel {
  const of = (quantile: number) =>
    [
      `histogram_quantile(${quantile}, sum by (le) (${rate(`${metric}_bucket{${POOL}}`)}))`,
      `${quantile * 100}%`,
    ] as const;
  return {
    title,
    metric,
    unit: 's',
    kind: 'timeseries',
    queries: [of(0.5), of(0.9), of(0.95), of(0.99)],
    width: 8,
  };
}

/** One quantile for each pool. */
function quantileByPool(title: string, metric: MetricName): Panel {
  return {
    title,
    metric,
    unit: 's',
    kind: 'timeseries',
    queries: [
      [
        `histogram_quantile(0.99, sum by (user, database, le) (${rate(`${metric}_bucket{${POOL}}`)}))`,
        LEGEND,
      ],
    ],
    width: 8,
  };
}

const byPool = (inner: string): string => `sum by (user, database) (${inner})`;
const byPoolRate = (of: string): string => byPool(rate(of));

export const ROWS: readonly PanelRow[] = [
  {
    title: 'Overview',
    panels: [
      stat('Clients', 'pg_doorman_clients', `sum(pg_doorman_clients{${INSTANCE}})`),
      stat(
        'Servers in use',
        'pg_doorman_pools_servers',
        `sum(pg_doorman_pools_servers{${POOL}, status="active"})`,
      ),
      stat(
        'Clients waiting',
        'pg_doorman_pools_clients',
        `sum(pg_doorman_pools_clients{${POOL}, status="waiting"})`,
      ),
      stat(
        'Queries per second',
        'pg_doorman_pools_queries_total',
        `sum(${rate(`pg_doorman_pools_queries_total{${POOL}}`)})`,
        'reqps',
      ),
      stat(
        'Errors per second',
        'pg_doorman_pools_errors_total',
        `sum(${rate(`pg_doorman_pools_errors_total{${POOL}}`)})`,
        'ops',
      ),
      stat(
        'Running for',
        'pg_doorman_start_time_seconds',
        `time() - max(pg_doorman_start_time_seconds{${INSTANCE}})`,
        's',
      ),
    ],
  },
  {
    title: 'Traffic',
    panels: [
      panel('Queries', 'pg_doorman_pools_queries_total', byPoolRate, LEGEND, { unit: 'reqps' }),
      panel('Transactions', 'pg_doorman_pools_transactions_total', byPoolRate, LEGEND, { unit: 'reqps' }),
      panel(
        'Bytes',
        'pg_doorman_pools_bytes_total',
        (of) => `sum by (direction) (${rate(of)})`,
        '{{direction}}',
        { unit: 'Bps' },
      ),
    ],
  },
  {
    title: 'Latency',
    panels: [
      quantiles('Queries', 'pg_doorman_pools_query_duration_seconds'),
      quantiles('Transactions', 'pg_doorman_pools_transaction_duration_seconds'),
      quantiles('Waiting for a server', 'pg_doorman_pools_wait_duration_seconds'),
      quantileByPool('Queries by pool, 99%', 'pg_doorman_pools_query_duration_seconds'),
      quantileByPool('Transactions by pool, 99%', 'pg_doorman_pools_transaction_duration_seconds'),
      quantileByPool('Waiting by pool, 99%', 'pg_doorman_pools_wait_duration_seconds'),
    ],
  },
  {
    title: 'Pools',
    panels: [
      panel('Clients', 'pg_doorman_pools_clients', (of) => `sum by (status) (${of})`, '{{status}}', {
        isStacked: true,
      }),
      panel('Servers', 'pg_doorman_pools_servers', (of) => `sum by (status) (${of})`, '{{status}}', {
        isStacked: true,
      }),
      {
        title: 'Share of pool_size that is busy',
        metric: 'pg_doorman_pool_size',
        unit: 'percentunit',
        kind: 'timeseries',
        queries: [
          [
            `${byPool(`pg_doorman_pools_servers{${POOL}, status="active"}`)} / ${byPool(`pg_doorman_pool_size{${POOL}}`)}`,
            LEGEND,
          ],
        ],
        width: 8,
      },
      panel(
        'Clients waiting',
        'pg_doorman_pools_clients',
        (of) => `${byPool(of.replace('{', '{status="waiting", '))} > 0`,
        LEGEND,
      ),
      panel(
        'Errors by SQLSTATE',
        'pg_doorman_pools_errors_total',
        (of) => `sum by (sqlstate) (${rate(of)}) > 0`,
        '{{sqlstate}}',
        { unit: 'ops' },
      ),
      panel('Errors by pool', 'pg_doorman_pools_errors_total', (of) => `${byPoolRate(of)} > 0`, LEGEND, {
        unit: 'ops',
      }),
    ],
  },
  {
    title: 'Servers',
    panels: [
      panel('Opened', 'pg_doorman_pools_servers_opened_total', byPoolRate, LEGEND, { unit: 'ops', width: 6 }),
      panel('Closed', 'pg_doorman_pools_servers_closed_total', byPoolRate, LEGEND, { unit: 'ops', width: 6 }),
      panel('Could not be opened', 'pg_doorman_pools_server_open_failures_total', byPoolRate, LEGEND, {
        unit: 'ops',
        width: 6,
      }),
      {
        title: 'Statements that were prepared already',
        metric: 'pg_doorman_servers_prepared_hits_total',
        unit: 'percentunit',
        kind: 'timeseries',
        queries: [
          [
            `${byPoolRate(`pg_doorman_servers_prepared_hits_total{${POOL}}`)} / (${byPoolRate(`pg_doorman_servers_prepared_hits_total{${POOL}}`)} + ${byPoolRate(`pg_doorman_servers_prepared_misses_total{${POOL}}`)})`,
            LEGEND,
          ],
        ],
        width: 6,
      },
    ],
  },
  {
    title: 'Connections and logins',
    panels: [
      ofProcess(
        'New connections',
        'pg_doorman_connections_total',
        (of) => `sum by (type) (${rate(of)})`,
        '{{type}}',
        { unit: 'ops', width: 6 },
      ),
      ofProcess('Logins refused', 'pg_doorman_logins_refused_total', rate, '{{instance}}', {
        unit: 'ops',
        width: 6,
      }),
      {
        title: 'Share of max_connections',
        metric: 'pg_doorman_max_connections',
        unit: 'percentunit',
        kind: 'timeseries',
        queries: [
          [`pg_doorman_clients{${INSTANCE}} / pg_doorman_max_connections{${INSTANCE}}`, '{{instance}}'],
        ],
        width: 6,
      },
      ofProcess('Sockets', 'pg_doorman_sockets', (of) => `sum by (type) (${of})`, '{{type}}', { width: 6 }),
    ],
  },
  {
    title: 'Process',
    panels: [
      ofProcess('Memory', 'pg_doorman_total_memory', (of) => of, '{{instance}}', { unit: 'bytes', width: 6 }),
      ofProcess('Processor', 'pg_doorman_cpu_seconds_total', rate, '{{instance}}', { unit: 's', width: 6 }),
      ofProcess(
        'Workers: share of a processor',
        'pg_doorman_worker_busy_ratio',
        (of) => of,
        '{{instance}} {{worker}}',
        {
          unit: 'percentunit',
          width: 6,
        },
      ),
      ofProcess('Workers: clients', 'pg_doorman_worker_clients', (of) => of, '{{instance}} {{worker}}', {
        width: 6,
      }),
    ],
  },
  {
    title: 'auth_query',
    panels: [
      ofProcess(
        'Lookups',
        'pg_doorman_auth_query_cache_lookups_total',
        (of) => `sum by (database, result) (${rate(of)})`,
        '{{database}} {{result}}',
        { unit: 'ops' },
      ),
      ofProcess(
        'Logins',
        'pg_doorman_auth_query_logins_total',
        (of) => `sum by (database, result) (${rate(of)})`,
        '{{database}} {{result}}',
        { unit: 'ops' },
      ),
      ofProcess(
        'Pools of users that were looked up',
        'pg_doorman_auth_query_dynamic_pools',
        (of) => of.replace('{', '{type="current", '),
        '{{database}}',
      ),
    ],
  },
];
