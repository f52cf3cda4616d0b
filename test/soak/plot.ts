/** A plot of several panels over one axis of time, as SVG: lines with a legend, round numbers on the axes. */

interface Line {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

const WIDTH = 860;
const PANEL = 150;
const GAP = 52;
const LEFT = 64;
const RIGHT = 150;
const TOP = 64;
const BOTTOM = 46;
const COLOURS = ['#1f5fa8', '#c2571a', '#3d7f3d'];

/** `minutes` are the places of all values. */
export function plot(title: string, minutes: readonly number[], panels: readonly Panel[]): string {
  const height = TOP + panels.length * PANEL + (panels.length - 1) * GAP + BOTTOM;
  const end = minutes.at(-1) ?? 1;
  const xOf = (minute: number): number => LEFT + (minute / end) * (WIDTH - LEFT - RIGHT);
  const body = panels.map((panel, index) => drawPanel(panel, TOP + index * (PANEL + GAP), minutes, xOf));
  const foot = height - BOTTOM;
  const ticks = steps(end, 8).map((minute) => text(xOf(minute), foot + 16, String(minute), 'middle'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#222" role="img">
<title>${title}</title>
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="${LEFT}" y="26" font-size="16" font-weight="bold">${title}</text>
${body.join('\n')}
${ticks.join('\n')}
${text((LEFT + WIDTH - RIGHT) / 2, foot + 36, 'minutes since the load began', 'middle')}
</svg>
`;
}

function drawPanel(
  { title, unit, lines }: Panel,
  top: number,
  minutes: readonly number[],
  xOf: (minute: number) => number,
): string {
  const highest = Math.max(...lines.flatMap(({ values }) => values), 1e-9);
  const levels = steps(highest, 4);
  const most = levels.at(-1) ?? highest;
  const yOf = (value: number): number => top + PANEL - (value / most) * PANEL;
  const right = WIDTH - RIGHT;
  const grid = levels.map(
    (level) =>
      `<line x1="${LEFT}" x2="${right}" y1="${round(yOf(level))}" y2="${round(yOf(level))}" stroke="${level === 0 ? '#666' : '#ddd'}"/>` +
      text(LEFT - 8, yOf(level) + 4, String(level), 'end'),
  );
  const curves = lines.map(({ name, values }, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const points = values.map((value, at) => `${round(xOf(minutes[at] ?? 0))},${round(yOf(value))}`);
    return (
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"/>` +
      `<line x1="${right + 14}" x2="${right + 32}" y1="${top + 12 + 20 * index}" y2="${top + 12 + 20 * index}" stroke="${colour}" stroke-width="3"/>` +
      text(right + 38, top + 16 + 20 * index, name, 'start')
    );
  });
  const heading = `<text x="${LEFT}" y="${top - 12}" font-weight="bold">${title}${unit === '' ? '' : ` (${unit})`}</text>`;
  return [heading, ...grid, ...curves].join('\n');
}

/** Round numbers from 0 to the first that is not below `highest`; about so many. */
function steps(highest: number, count: number): number[] {
  const rough = highest / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.ceil(highest / step - 1e-9) + 1 }, (_, index) => round(index * step));
}

function text(x: number, y: number, content: string, anchor: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${content}</text>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
