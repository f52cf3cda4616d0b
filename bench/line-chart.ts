/** Draws lines over a common pair of axes, panel beside panel, as SVG. Looks the same on light and dark pages. */
import { GRID, INK, round, svg, text, ticksUpTo } from './svg.js';

interface Panel {
  readonly title: string;
  readonly subtitle: string;
  /** Each a line; where a value is missing (NaN) it is broken. The first value stands at `Chart.firstX`. */
  readonly lines: readonly (readonly number[])[];
}

export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** Of the first value of every line; the next stand at steps of 1. */
  readonly firstX: number;
  /** A vertical line and what happened there. */
  readonly event: { readonly x: number; readonly text: string };
  readonly panels: readonly Panel[];
}

const PLOT = { width: 380, height: 260 };
const LEFT = 62;
const TOP = 92;
const BOTTOM = 56;
const GAP = 34;
const LINE = '#1f6fb2';
const EVENT = '#b4451f';

/** The text of an SVG file. */
export function lineChart(chart: Chart): string {
  const values = chart.panels.flatMap(({ lines }) => lines.flat()).filter(Number.isFinite);
  const yTicks = ticksUpTo(Math.max(1, ...values));
  const lengths = chart.panels.flatMap(({ lines }) => lines.map((line) => line.length));
  const lastX = chart.firstX + Math.max(2, ...lengths) - 1;
  const axes = new Axes(chart.firstX, lastX, yTicks);
  const width = LEFT + chart.panels.length * (PLOT.width + GAP);
  const height = TOP + PLOT.height + BOTTOM;
  return svg(chart.title, width, height, [
    text(LEFT, 26, chart.title, 'font-size="16" font-weight="600"'),
    text(
      0,
      0,
      chart.yTitle,
      `text-anchor="middle" transform="translate(16 ${TOP + PLOT.height / 2}) rotate(-90)"`,
    ),
    ...chart.panels.map((panel, at) => panelOf(chart, panel, axes, LEFT + at * (PLOT.width + GAP))),
  ]);
}

/** Where values stand inside a plot. */
class Axes {
  private readonly yMax: number;

  constructor(
    readonly firstX: number,
    readonly lastX: number,
    readonly yTicks: readonly number[],
  ) {
    this.yMax = yTicks.at(-1) ?? 1;
  }

  x(value: number): number {
    return ((value - this.firstX) / (this.lastX - this.firstX)) * PLOT.width;
  }

  y(value: number): number {
    return PLOT.height - (value / this.yMax) * PLOT.height;
  }

  /** Whole numbers, at most a dozen of them. */
  get xTicks(): number[] {
    const step = Math.ceil((this.lastX - this.firstX) / 12);
    const first = Math.ceil(this.firstX / step) * step;
    const count = Math.floor((this.lastX - first) / step) + 1;
    return Array.from({ length: count }, (_, at) => first + at * step);
  }
}

function panelOf(chart: Chart, panel: Panel, axes: Axes, left: number): string {
  const eventX = axes.x(chart.event.x);
  return [
    `<g transform="translate(${left} ${TOP})">\n`,
    text(0, -40, panel.title, 'font-size="14" font-weight="600"'),
    text(0, -22, panel.subtitle, ''),
    ...axes.yTicks.map((tick) => {
      const y = round(axes.y(tick));
      const label = text(-8, y + 4, String(tick), 'text-anchor="end"');
      return `<path d="M0 ${y}H${PLOT.width}" stroke="${tick === 0 ? INK : GRID}"/>\n${label}`;
    }),
    ...axes.xTicks.map((tick) =>
      text(round(axes.x(tick)), PLOT.height + 18, String(tick), 'text-anchor="middle"'),
    ),
    text(PLOT.width / 2, PLOT.height + 40, chart.xTitle, 'text-anchor="middle"'),
    `<g fill="none" stroke="${LINE}" stroke-opacity="0.3">\n`,
    ...panel.lines.map((line) => `<path d="${pathOf(line, axes)}"/>\n`),
    '</g>\n',
    `<path d="M${round(eventX)} 0V${PLOT.height}" stroke="${EVENT}" stroke-dasharray="5 4"/>\n`,
    text(round(eventX) + 5, PLOT.height - 8, chart.event.text, `fill="${EVENT}"`),
    '</g>\n',
  ].join('');
}

function pathOf(line: readonly number[], axes: Axes): string {
  return line
    .map((value, at) => {
      if (!Number.isFinite(value)) return '';
      const isFirst = !Number.isFinite(line[at - 1] ?? Number.NaN);
      return `${isFirst ? 'M' : 'L'}${round(axes.x(axes.firstX + at))} ${round(axes.y(value))}`;
    })
    .join('');
}
