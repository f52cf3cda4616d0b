/** Draws groups of bars, panel beside panel over one axis, as SVG. A value that is missing (NaN) has no bar, and a cross
 *  in its place. */
import { GRID, INK, round, svg, text, ticksUpTo } from './svg.js';

interface BarPanel {
  readonly title: string;
  /** By group, and in it by series. */
  readonly values: readonly (readonly number[])[];
}

export interface BarChart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly groups: readonly string[];
  readonly series: readonly string[];
  readonly panels: readonly BarPanel[];
}

const PLOT = { width: 270, height: 220 };
const LEFT = 78;
const TOP = 92;
const BOTTOM = 56;
const GAP = 24;
/** Of the width of a group, so much is bars. */
const FILLED = 0.78;
const COLOURS = ['#1f6fb2', '#7db2e0', '#b4451f', '#d9a441', '#6b7680'];

export function barChart({ title, xTitle, yTitle, groups, series, panels }: BarChart): string {
  const values = panels.flatMap((panel) => panel.values.flat()).filter(Number.isFinite);
  const ticks = ticksUpTo(Math.max(1e-9, ...values));
  const height = (value: number): number => (value / (ticks.at(-1) ?? 1)) * PLOT.height;
  const middle = `translate(14 ${TOP + PLOT.height / 2}) rotate(-90)`;
  return svg(title, LEFT + panels.length * (PLOT.width + GAP), TOP + PLOT.height + BOTTOM, [
    text(LEFT, 26, title, 'font-size="16" font-weight="600"'),
    ...series.map((name, at) => legend(name, at)),
    text(0, 0, yTitle, `text-anchor="middle" transform="${middle}"`),
    ...panels.map((panel, at) => {
      const left = LEFT + at * (PLOT.width + GAP);
      return [
        `<g transform="translate(${left} ${TOP})">\n`,
        text(0, -10, panel.title, 'font-size="14" font-weight="600"'),
        ...ticks.map((tick) => tickOf(tick, round(PLOT.height - height(tick)), at === 0)),
        ...groups.map((group, index) =>
          groupOf(group, index, groups.length, panel.values[index] ?? [], height),
        ),
        text(PLOT.width / 2, PLOT.height + 40, xTitle, 'text-anchor="middle"'),
        '</g>\n',
      ].join('');
    }),
  ]);
}

function legend(name: string, at: number): string {
  const x = LEFT + at * 150;
  return `<rect x="${x}" y="42" width="12" height="12" fill="${colourOf(at)}"/>\n${text(x + 18, 52, name, '')}`;
}

function tickOf(value: number, y: number, isLabelled: boolean): string {
  const line = `<path d="M0 ${y}H${PLOT.width}" stroke="${value === 0 ? INK : GRID}"/>\n`;
  return isLabelled ? line + text(-8, y + 4, value.toLocaleString('en'), 'text-anchor="end"') : line;
}

function groupOf(
  name: string,
  index: number,
  count: number,
  values: readonly number[],
  height: (value: number) => number,
): string {
  const width = PLOT.width / count;
  const bar = (width * FILLED) / values.length;
  const left = index * width + (width * (1 - FILLED)) / 2;
  const bars = values.map((value, at) => {
    const x = round(left + at * bar);
    if (!Number.isFinite(value))
      return text(round(x + bar / 2), PLOT.height - 4, '×', 'text-anchor="middle"');
    const y = round(PLOT.height - height(value));
    return `<rect x="${x}" y="${y}" width="${round(bar - 1)}" height="${round(PLOT.height - y)}" fill="${colourOf(at)}"/>\n`;
  });
  return bars.join('') + text(round((index + 0.5) * width), PLOT.height + 18, name, 'text-anchor="middle"');
}

function colourOf(series: number): string {
  return COLOURS[series % COLOURS.length] ?? INK;
}
