/** The alerting rules, grafana/alerts.yaml: what an operator wants to be woken or told for. */
import { stringify } from 'yaml';
import type { MetricName } from '../../src/control/metrics/catalogue.js';

export interface Alert {
  readonly name: string;
  readonly expr: string;
  /** So long it must hold. */
  readonly for: string;
  readonly severity: 'critical' | 'warning' | 'info';
  readonly summary: string;
  /** What it means and what to look at. */
  readonly description: string;
}

/** A metric that exists. */
const m = (name: MetricName): MetricName => name;
/** A metric's bucket counts. */
const bucketsOf = (name: MetricName): string => `${name}_bucket`;
const POOL = '{{ $labels.user }}@{{ $labels.database }} on {{ $labels.instance }}';
const BY_POOL = 'instance, user, database';

export const ALERTS: readonly Alert[] = [
  {
    name: 'PgDoormanDown',
    expr: 'up{job="pg_doorman"} == 0',
    for: '1m',
    severity: 'critical',
    summary: 'pg_doorman on {{ $labels.instance }} cannot be scraped',
    description: 'The process is down, or its metrics port is not reachable: see its log.',
  },
  {
    name: 'PgDoormanRestartsOften',
    expr: `changes(${m('pg_doorman_start_time_seconds')}[30m]) > 2`,
    for: '0m',
    severity: 'warning',
    summary: 'pg_doorman on {{ $labels.instance }} was started {{ $value }} times in half an hour',
    description: 'Each start ends all connections of clients: see its log.',
  },
  {
    name: 'PgDoormanWorkerDead',
    expr: `${m('pg_doorman_worker_up')} == 0`,
    for: '1m',
    severity: 'critical',
    summary: 'worker {{ $labels.worker }} of {{ $labels.instance }} does not serve',
    description: 'A worker that dies is replaced after a second. This one is not: see the log.',
  },
  {
    name: 'PgDoormanWorkerDied',
    expr: `increase(${m('pg_doorman_worker_deaths_total')}[10m]) > 0`,
    for: '0m',
    severity: 'critical',
    summary: 'a worker of {{ $labels.instance }} has died',
    description: 'Its clients have lost their connections. The log says why: please report it.',
  },
  {
    name: 'PgDoormanWorkerBusy',
    expr: `${m('pg_doorman_worker_busy_ratio')} > 0.9`,
    for: '10m',
    severity: 'warning',
    summary: 'worker {{ $labels.worker }} of {{ $labels.instance }} is at its limit',
    description: 'Where processors are left, raise worker_threads.',
  },
  {
    name: 'PgDoormanMemoryGrows',
    expr: `${m('pg_doorman_total_memory')} > 1e9 and ${m('pg_doorman_total_memory')} > 2 * min_over_time(${m('pg_doorman_total_memory')}[1d])`,
    for: '15m',
    severity: 'warning',
    summary: 'pg_doorman on {{ $labels.instance }} has {{ $value | humanize1024 }}B',
    description:
      'Twice as much as within the last day: see the numbers of clients and of prepared statements.',
  },
  {
    name: 'PgDoormanConnectionsNearlyUsedUp',
    expr: `${m('pg_doorman_clients')} / ${m('pg_doorman_max_connections')} > 0.9`,
    for: '2m',
    severity: 'critical',
    summary: '{{ $labels.instance }} has {{ $value | humanizePercentage }} of max_connections',
    description: 'Beyond it clients are refused with 53300.',
  },
  {
    name: 'PgDoormanLoginsRefused',
    expr: `rate(${m('pg_doorman_logins_refused_total')}[5m]) > 1`,
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.instance }} refuses {{ $value | humanize }} logins a second',
    description: 'Wrong passwords, pg_hba, unknown pools, TLS, or max_connections: the log names each.',
  },
  {
    name: 'PgDoormanClientsWaiting',
    expr: `sum by (${BY_POOL}) (${m('pg_doorman_pools_clients')}{status="waiting"}) > 0`,
    for: '2m',
    severity: 'warning',
    summary: '{{ $value }} clients wait for a server of ',
    description:
      'All servers are busy, or none can be opened. Look for long transactions; then raise pool_size.',
  },
  {
    name: 'PgDoormanWaitsAreLong',
    expr: `histogram_quantile(0.95, sum by (${BY_POOL}, le) (rate(${bucketsOf('pg_doorman_pools_wait_duration_seconds')}[5m]))) > 0.5`,
    for: '5m',
    severity: 'warning',
    summary: 'one of 20 waits for {{ $value | humanizeDuration }} or longer for a server of ',
    description: 'After query_wait_timeout clients get 53300.',
  },
  {
    name: 'PgDoormanPoolSaturated',
    expr: `sum by (${BY_POOL}) (${m('pg_doorman_pools_servers')}{status="active"}) / sum by (${BY_POOL}) (${m('pg_doorman_pool_size')}) >= 0.95`,
    for: '5m',
    severity: 'warning',
    summary: '{{ $value | humanizePercentage }} of pool_size are busy: ',
    description: 'The next clients will wait.',
  },
  {
    name: 'PgDoormanServersCannotBeOpened',
    expr: `sum by (${BY_POOL}) (increase(${m('pg_doorman_pools_server_open_failures_total')}[5m])) > 0`,
    for: '2m',
    severity: 'critical',
    summary: 'PostgreSQL cannot be reached or refuses logins: ',
    description: 'The log says why: address, password, TLS, max_connections of PostgreSQL.',
  },
  {
    name: 'PgDoormanErrorsRise',
    expr: `sum by (${BY_POOL}) (rate(${m('pg_doorman_pools_errors_total')}[5m])) > 1 and sum by (${BY_POOL}) (rate(${m('pg_doorman_pools_errors_total')}[5m])) > 3 * sum by (${BY_POOL}) (rate(${m('pg_doorman_pools_errors_total')}[1h] offset 5m))`,
    for: '5m',
    severity: 'warning',
    summary: '{{ $value | humanize }} errors a second, three times as many as in the hour before: ',
    description: 'The label sqlstate of pg_doorman_pools_errors_total tells which.',
  },
  {
    name: 'PgDoormanAuthQueryFails',
    expr: `increase(${m('pg_doorman_auth_query_query_errors_total')}[5m]) > 0`,
    for: '2m',
    severity: 'critical',
    summary: 'credentials of {{ $labels.database }} cannot be looked up on {{ $labels.instance }}',
    description: 'Users who are not in the cache cannot log in: see the log.',
  },
];

export function alertsYaml(): string {
  const rules = ALERTS.map(({ name, expr, for: duration, severity, summary, description }) => ({
    alert: name,
    expr,
    for: duration,
    labels: { severity },
    annotations: { summary: summary.endsWith(' ') ? summary + POOL : summary, description },
  }));
  return `# Made by scripts/monitoring from its list of alerts: change that, then npm run monitoring.\n${stringify(
    { groups: [{ name: 'pg_doorman', rules }] },
    { lineWidth: 0 },
  )}`;
}
