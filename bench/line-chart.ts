/** Draws lines over a common pair of axes, panel beside panel, as SVG. Looks the same on light and dark pages. */
import { type Layout, Panels, type Words } from './panels.js';
import { round, text } from './svg.js';

interface Panel {
  readonly title: string;
  readonly subtitle: string;
  /** Each a line; where a value is missing (NaN) it is broken. The first value stands at `Chart.firstX`. */
  readonly lines: readonly (readonly number[])[];
}

export interface Chart extends Words {
  /** Of the first value of every line; the next stand at steps of 1. */
  readonly firstX: number;
  /** A vertical line and what happened there. */
  readonly event: { readonly x: number; readonly text: string };
  readonly panels: readonly Panel[];
}

const LAYOUT: Layout = { width: 380, height: 260, left: 62, gap: 34, labelsAll: true };
const LINE = '#1f6fb2';
const EVENT = '#b4451f';

/** The text of an SVG file. */
export function lineChart(chart: Chart): string {
  const values = chart.panels.flatMap(({ lines }) => lines.flat()).filter(Number.isFinite);
  const panels = new Panels(chart, LAYOUT, Math.max(1, ...values));
  const lengths = chart.panels.flatMap(({ lines }) => lines.map((line) => line.length));
  const axes = new Axes(panels, chart.firstX, chart.firstX + Math.max(2, ...lengths) - 1);
  return panels.svg(
    [],
    chart.panels.map((panel) => ({
      heading:
        text(0, -40, panel.title, 'font-size="14" font-weight="600"') + text(0, -22, panel.subtitle, ''),
      content: contentOf(chart, panel, axes),
    })),
  );
}

/** Where values stand inside a plot. */
class Axes {
  constructor(
    private readonly panels: Panels,
    readonly firstX: number,
    private readonly lastX: number,
  ) {}

  x(value: number): number {
    return ((value - this.firstX) / (this.lastX - this.firstX)) * LAYOUT.width;
  }

  y(value: number): number {
    return this.panels.y(value);
  }

  /** Whole numbers, at most a dozen of them. */
  get xTicks(): number[] {
    const step = Math.ceil((this.lastX - this.firstX) / 12);
    const first = Math.ceil(this.firstX / step) * step;
    const count = Math.floor((this.lastX - first) / step) + 1;
    return Array.from({ length: count }, (_, at) => first + at * step);
  }
}

function contentOf(chart: Chart, panel: Panel, axes: Axes): string {
  const eventX = round(axes.x(chart.event.x));
  return [
    ...axes.xTicks.map((tick) =>
      text(round(axes.x(tick)), LAYOUT.height + 18, String(tick), 'text-anchor="middle"'),
    ),
    `<g fill="none" stroke="${LINE}" stroke-opacity="0.3">\n`,
    ...panel.lines.map((line) => `<path d="${pathOf(line, axes)}"/>\n`),
    '</g>\n',
    `<path d="M${eventX} 0V${LAYOUT.height}" stroke="${EVENT}" stroke-dasharray="5 4"/>\n`,
    text(eventX + 5, LAYOUT.height - 8, chart.event.text, `fill="${EVENT}"`),
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
