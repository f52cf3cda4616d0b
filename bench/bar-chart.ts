/** Draws groups of bars, panel beside panel over one axis, as SVG. A value that is missing (NaN) has no bar, and a cross
 *  in its place. */
import { type Layout, Panels, type Words } from './panels.js';
import { INK, round, text } from './svg.js';

interface BarPanel {
  readonly title: string;
  /** By group, and in it by series. */
  readonly values: readonly (readonly number[])[];
}

export interface BarChart extends Words {
  readonly groups: readonly string[];
  readonly series: readonly string[];
  readonly panels: readonly BarPanel[];
}

const LAYOUT: Layout = { width: 270, height: 220, left: 78, gap: 24, labelsAll: false };
/** Of the width of a group, so much is bars. */
const FILLED = 0.78;
const COLOURS = ['#1f6fb2', '#7db2e0', '#b4451f', '#d9a441', '#6b7680'];

export function barChart({ groups, series, panels: parts, ...words }: BarChart): string {
  const values = parts.flatMap((part) => part.values.flat()).filter(Number.isFinite);
  const panels = new Panels(words, LAYOUT, Math.max(1e-9, ...values));
  return panels.svg(
    series.map((name, at) => legend(name, at)),
    parts.map((part) => ({
      heading: text(0, -10, part.title, 'font-size="14" font-weight="600"'),
      content: groups
        .map((group, index) => groupOf(group, index, groups.length, part.values[index] ?? [], panels))
        .join(''),
    })),
  );
}

function legend(name: string, at: number): string {
  const x = LAYOUT.left + at * 150;
  return `<rect x="${x}" y="42" width="12" height="12" fill="${colourOf(at)}"/>\n${text(x + 18, 52, name, '')}`;
}

function groupOf(
  name: string,
  index: number,
  count: number,
  values: readonly number[],
  panels: Panels,
): string {
  const width = LAYOUT.width / count;
  const bar = (width * FILLED) / values.length;
  const left = index * width + (width * (1 - FILLED)) / 2;
  const bars = values.map((value, at) => {
    const x = round(left + at * bar);
    if (!Number.isFinite(value))
      return text(round(x + bar / 2), LAYOUT.height - 4, '×', 'text-anchor="middle"');
    const y = round(panels.y(value));
    return `<rect x="${x}" y="${y}" width="${round(bar - 1)}" height="${round(LAYOUT.height - y)}" fill="${colourOf(at)}"/>\n`;
  });
  return bars.join('') + text(round((index + 0.5) * width), LAYOUT.height + 18, name, 'text-anchor="middle"');
}

function colourOf(series: number): string {
  return COLOURS[series % COLOURS.length] ?? INK;
}
