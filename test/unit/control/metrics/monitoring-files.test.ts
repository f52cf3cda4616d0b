/** The files that are made from the list of metrics: up to date, and about metrics that there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { ALERTS } from '../../../../scripts/monitoring/alerts.js';
import { GENERATED_FILES } from '../../../../scripts/monitoring/files.js';
import { ROWS } from '../../../../scripts/monitoring/panels.js';
import { METRICS, type MetricInfo } from '../../../../src/control/metrics/catalogue.js';

const INFOS: ReadonlyMap<string, MetricInfo> = new Map(Object.entries(METRICS));
/** Grafana's own words. */
const VARIABLES = /\$__rate_interval/g;
const EXPRESSIONS = [
  ...ALERTS.map(({ expr }) => expr),
  ...ROWS.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(([expr]) => expr))),
];

for (const [path, make] of Object.entries(GENERATED_FILES)) {
  test(`${path} is what npm run monitoring makes`, () => {
    const file = fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
    assert.equal(readFileSync(file, 'utf8'), make());
  });
}

test('every expression is PromQL', () => {
  for (const expression of EXPRESSIONS) {
    const wrong: string[] = [];
    parser.parse(expression.replace(VARIABLES, '1m')).iterate({
      enter: ({ type, from }) => {
        if (type.isError) wrong.push(`at ${from}: ${expression}`);
      },
    });
    assert.deepEqual(wrong, []);
  }
});

test('every metric in an expression exists; rates are taken of counters, quantiles of histograms', () => {
  for (const expression of EXPRESSIONS) {
    for (const [, call, name = ''] of expression.matchAll(/(\w+)?\(?\b(pg_doorman_\w+)/g)) {
      const base = name.replace(/_bucket$/, '');
      const type = INFOS.get(base)?.type;
      assert.ok(type !== undefined, `${name} in ${expression}`);
      assert.equal(base !== name, type === 'histogram', `${name} in ${expression}`);
      if (call === 'rate' || call === 'increase') assert.notEqual(type, 'gauge', `${name} in ${expression}`);
    }
  }
});

test('labels in expressions are those of the metric, or Prometheus’s own', () => {
  for (const expression of EXPRESSIONS) {
    for (const [, name = '', matchers = ''] of expression.matchAll(/(pg_doorman_\w+)\{([^}]*)\}/g)) {
      const known = ['instance', ...(INFOS.get(name.replace(/_bucket$/, ''))?.labels ?? [])];
      for (const [, label = ''] of matchers.matchAll(/(\w+)=/g))
        assert.ok(known.includes(label), `${label} of ${name}`);
    }
  }
});

test('alerts have names of their own, and Prometheus’s fields', () => {
  const { groups } = parse(GENERATED_FILES['grafana/alerts.yaml']?.() ?? '');
  const [{ rules }] = groups;
  assert.equal(new Set(rules.map(({ alert }: { alert: string }) => alert)).size, ALERTS.length);
  for (const rule of rules) {
    assert.deepEqual(Object.keys(rule), ['alert', 'expr', 'for', 'labels', 'annotations']);
    assert.match(rule.for, /^\d+m$/);
  }
});

test('panels of the dashboard do not lie upon one another', () => {
  const { panels } = JSON.parse(GENERATED_FILES['grafana/pg_doorman.json']?.() ?? '{}');
  const taken = new Set<string>();
  for (const { gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!taken.has(`${x} ${y}`));
        taken.add(`${x} ${y}`);
      }
    }
  }
});
