/** The dashboard, grafana/pg_doorman.json, as Grafana imports it. https://grafana.com/docs/grafana, "JSON model" */
import { METRICS, type MetricInfo } from '../../src/control/metrics/catalogue.js';
import { type Panel, ROWS } from './panels.js';

const SCHEMA_VERSION = 39;
const GRID_WIDTH = 24;
const HEIGHTS = { timeseries: 8, stat: 4 } as const;
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

export function dashboardJson(): string {
  const dashboard = {
    title: 'pg_doorman',
    uid: 'pg-doorman',
    description: 'Made by scripts/monitoring from the list of metrics.',
    tags: ['postgresql', 'pg_doorman'],
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    schemaVersion: SCHEMA_VERSION,
    time: { from: 'now-3h', to: 'now' },
    timezone: 'browser',
    templating: { list: variables() },
    panels: panels(),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function variables(): object[] {
  const choice = (name: string, metric: string) => ({
    name,
    label: name,
    type: 'query',
    datasource: DATASOURCE,
    query: { query: `label_values(${metric}, ${name})`, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    current: { text: 'All', value: '$__all' },
  });
  return [
    { name: 'datasource', label: 'datasource', type: 'datasource', query: 'prometheus' },
    choice('instance', 'pg_doorman_build_info'),
    choice('database', 'pg_doorman_pool_size{instance=~"$instance"}'),
    choice('user', 'pg_doorman_pool_size{instance=~"$instance", database=~"$database"}'),
  ];
}

function panels(): object[] {
  const all: object[] = [];
  let y = 0;
  for (const { title, panels: members } of ROWS) {
    all.push({
      id: all.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: GRID_WIDTH, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    let height = 0;
    for (const panel of members) {
      if (x + panel.width > GRID_WIDTH) {
        x = 0;
        y += height;
      }
      height = HEIGHTS[panel.kind];
      all.push({ id: all.length + 1, ...panelJson(panel), gridPos: { x, y, w: panel.width, h: height } });
      x += panel.width;
    }
    y += height;
  }
  return all;
}

function panelJson({ title, metric, unit, kind, queries, isStacked = false }: Panel): object {
  const { help }: MetricInfo = METRICS[metric];
  const custom = {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: isStacked ? 30 : 0,
    showPoints: 'never',
    stacking: { mode: isStacked ? 'normal' : 'none', group: 'A' },
  };
  return {
    type: kind,
    title,
    description: help,
    datasource: DATASOURCE,
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
    fieldConfig: { defaults: { unit, ...(kind === 'timeseries' && { custom, min: 0 }) }, overrides: [] },
    options:
      kind === 'timeseries'
        ? {
            legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
            tooltip: { mode: 'multi', sort: 'desc' },
          }
        : { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, colorMode: 'value' },
  };
}
