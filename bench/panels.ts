/** What plots of panels beside panels have in common: the title above them, one vertical axis with its grid, and where
 *  each panel stands. Not for: what is drawn in a panel (line-chart.ts, bar-chart.ts). */
import { GRID, INK, round, svg, text, ticksUpTo } from './svg.js';

export interface Words {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
}

/** Pixels. */
export interface Layout {
  /** Of each panel, without what stands around it. */
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly gap: number;
  /** Every panel has the numbers of the axis beside it, not the first only. */
  readonly labelsAll: boolean;
}

export interface Panel {
  /** What stands above it. */
  readonly heading: string;
  readonly content: string;
}

const TOP = 92;
const BOTTOM = 56;

export class Panels {
  private readonly words: Words;
  private readonly layout: Layout;
  private readonly ticks: readonly number[];

  /** `highest`: the largest value of all panels. */
  constructor(words: Words, layout: Layout, highest: number) {
    this.words = words;
    this.layout = layout;
    this.ticks = ticksUpTo(highest);
  }

  /** How far down in a panel a value stands. */
  y(value: number): number {
    const { height } = this.layout;
    return height - (value / (this.ticks.at(-1) ?? 1)) * height;
  }

  /** The text of an SVG file. `above`: what stands between the title and the panels. */
  svg(above: readonly string[], panels: readonly Panel[]): string {
    const { width, height, left, gap } = this.layout;
    const { title, yTitle } = this.words;
    const middle = `translate(14 ${TOP + height / 2}) rotate(-90)`;
    return svg(title, left + panels.length * (width + gap), TOP + height + BOTTOM, [
      text(left, 26, title, 'font-size="16" font-weight="600"'),
      ...above,
      text(0, 0, yTitle, `text-anchor="middle" transform="${middle}"`),
      ...panels.map((panel, at) => this.panel(panel, at)),
    ]);
  }

  private panel({ heading, content }: Panel, at: number): string {
    const { width, height, left, gap, labelsAll } = this.layout;
    return [
      `<g transform="translate(${left + at * (width + gap)} ${TOP})">\n`,
      heading,
      ...this.ticks.map((tick) => this.tick(tick, labelsAll || at === 0)),
      content,
      text(width / 2, height + 40, this.words.xTitle, 'text-anchor="middle"'),
      '</g>\n',
    ].join('');
  }

  private tick(value: number, isLabelled: boolean): string {
    const y = round(this.y(value));
    const line = `<path d="M0 ${y}H${this.layout.width}" stroke="${value === 0 ? INK : GRID}"/>\n`;
    return isLabelled ? line + text(-8, y + 4, value.toLocaleString('en'), 'text-anchor="end"') : line;
  }
}
