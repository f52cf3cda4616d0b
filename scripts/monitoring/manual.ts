/** The manual's page of metrics, docs/metrics.md. */
import { METRIC_LIST } from '../../src/control/metrics/catalogue.js';
import { ALERTS } from './alerts.js';

export function manualMarkdown(): string {
  const table = (isDocumented: boolean): string =>
    [
      '| metric | type | labels | meaning |',
      '| --- | --- | --- | --- |',
      ...METRIC_LIST.filter(([, info]) => (info.isDocumented ?? false) === isDocumented).map(
        ([name, { type, labels, help }]) =>
          `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
      ),
    ].join('\n');
  const alerts = ALERTS.map(
    ({ name, severity, for: duration, description }) =>
      `| \`${name}\` | ${severity} | ${duration} | ${description} |`,
  ).join('\n');
  return `${ABOUT}
## Metrics that PgDoorman 3.3.1 has too

Names, labels and units are as they were, so that dashboards and alerts go on. They are gauges, also where they only grow.

${table(true)}

## Metrics by Prometheus's conventions

Seconds, bytes, and counters that end in \`_total\`: for new dashboards.

${table(false)}

## Alerts

| alert | severity | after | what it means |
| --- | --- | --- | --- |
${alerts}
`;
}

const ABOUT = `<!-- Made by scripts/monitoring from the list of metrics: change that, then npm run monitoring. -->

# Metrics and health

\`\`\`yaml
prometheus:
  enabled: true
  host: "0.0.0.0"
  port: 9127
\`\`\`

| path | answer |
| --- | --- |
| \`/metrics\` | Prometheus's text format 0.0.4 |
| \`/health\` | 200 while the process lives; 503 when none of its worker threads does. For a liveness probe. |
| \`/ready\` | 200 while clients can connect; 503 while it starts and while it shuts down. For a readiness probe. That databases can be reached is no part of it. |

There is no password and no TLS: let only those reach the port who may read the names of databases and users.

When the address cannot be listened on, that is an error in the log, clients are served all the same, and it is tried again every 5 seconds. A scrape asks no worker thread: all is read from shared memory. All who scrape within a quarter of a second get the same page. A request must come within 10 seconds, its header in 8 KB, and its answer be taken within 30 seconds; there are 200 connections at most.

Measured with 200 pools and 10,000 clients, on two processors that had to do with little else, Node.js 20.20: a page of 1.75 MB takes 9 to 11 ms of the main thread's processor time and is there after 18 to 36 ms (median of 20 scrapes, three times); a worker thread uses 0.05 to 0.49 ms meanwhile, and 0.04 to 0.10 ms in as much time without a scrape.

\`promtool check metrics\` (2.42) accepts the page; all that it would have otherwise is the ending \`_count\` of three names of 3.3.1. \`promtool check rules\` accepts the alerts.

Percentiles and averages are of the last whole period of 15 seconds, as in \`SHOW STATS\`; durations are counted in buckets an eighth to a quarter wide, in steps of 1/32 ms. Codes of errors that are rare are counted together, as \`other\`; a code appears with its first error.

[grafana/pg_doorman.json](../grafana/pg_doorman.json) is a dashboard to import; [grafana/alerts.yaml](../grafana/alerts.yaml) are rules for \`rule_files\` of Prometheus, for a job called \`pg_doorman\`:

\`\`\`yaml
scrape_configs:
  - job_name: pg_doorman
    static_configs:
      - targets: ["127.0.0.1:9127"]
rule_files: ["alerts.yaml"]
\`\`\`
`;
