/** docs/benchmarks is what `npm run bench:plots` makes of its figures. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type BenchDocument, merged, pageWith, plotsOf } from '../../../bench/plots.js';

const contentOf = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');
const document: BenchDocument = JSON.parse(contentOf('benchmarks/figures.json'));

test('the plots and the tables are made of figures.json', () => {
  for (const [name, plot] of Object.entries(plotsOf(document)))
    assert.equal(contentOf(`benchmarks/${name}`), plot);
  assert.equal(pageWith(document, contentOf('benchmarks.md')), contentOf('benchmarks.md'));
});

test('files of one machine become one, and other scenarios are left out', () => {
  const rows = document.rows.filter((row) => row.case.startsWith('simple'));
  const others = document.rows.filter((row) => !row.case.startsWith('simple'));
  const idle = { scenario: 'idle', case: 'idle', pooler: 'ours', figures: null, failure: null };
  assert.deepEqual(
    merged([
      { ...document, rows },
      { ...document, rows: [idle, ...others] },
    ]).rows,
    [...rows, ...others],
  );
});

test('a bar is as high as its value, and what was not measured is a cross', () => {
  const [first] = document.rows;
  assert.ok(first);
  const row = (pooler: string, tps: number | null) => ({
    ...first,
    case: 'simple × 1',
    pooler,
    figures: { tps },
  });
  const plots = plotsOf({ ...document, rows: [row('a', 100), row('b', 50), row('c', null)] });
  const bars = [
    ...(plots['queries-per-second.svg'] ?? '').matchAll(
      /<rect x="[\d.]+" y="[\d.]+" width="[\d.]+" height="([\d.]+)" fill="#/g,
    ),
  ];
  const heights = bars.map(([, height]) => Number(height)).filter((height) => height > 12);
  assert.deepEqual(heights, [220, 110]);
  assert.match(plots['queries-per-second.svg'] ?? '', />×</);
});
