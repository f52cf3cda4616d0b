import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Chart, lineChart } from '../../../bench/line-chart.js';
import { ticksUpTo } from '../../../bench/svg.js';

const chart: Chart = {
  title: 'a < b & c',
  xTitle: 'seconds',
  yTitle: 'queries',
  firstX: -1,
  event: { x: 0, text: 'drift' },
  panels: [{ title: 'ours', subtitle: '', lines: [[0, 10, Number.NaN, 10, 5]] }],
};

test('the ticks of an axis are a few round steps that reach the highest value', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 1e9, noNaN: true }), (highest) => {
      const ticks = ticksUpTo(highest);
      const last = ticks.at(-1) ?? 0;
      const step = ticks[1] ?? 0;
      assert.equal(ticks[0], 0);
      assert.ok(ticks.length >= 3 && ticks.length <= 8, `${ticks.length} ticks`);
      assert.ok(last >= highest * (1 - 1e-9) && last < highest + step, `${last} for ${highest}`);
      assert.match(step.toExponential(), /^[125]e/);
    }),
  );
});

test('a line is broken where a value is missing, and its values stand at steps of one', () => {
  assert.match(lineChart(chart), /<path d="M0 260L95 0M285 0L380 130"\/>/);
});

test('words of a chart are text, not elements', () => {
  assert.match(lineChart(chart), />a &lt; b &amp; c<\/text>/);
});
