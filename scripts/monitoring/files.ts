/** The files that are made from the list of metrics, by their path in the repository. */
import { alertsYaml } from './alerts.js';
import { dashboardJson } from './dashboard.js';
import { manualMarkdown } from './manual.js';

export const GENERATED_FILES: Readonly<Record<string, () => string>> = {
  'grafana/pg_doorman.json': dashboardJson,
  'grafana/alerts.yaml': alertsYaml,
  'docs/metrics.md': manualMarkdown,
};
