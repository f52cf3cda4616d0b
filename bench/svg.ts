/** What the plots have in common: the frame of an SVG file, words in it, round numbers on an axis. */

export const INK = '#1f2933';
export const GRID = '#dfe3e8';
const TICKS_ABOUT = 6;

/** The text of a file; its title is for those who do not see it. */
export function svg(title: string, width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`,
    ` font-family="system-ui, sans-serif" font-size="12" fill="${INK}">\n`,
    `<title>${escaped(title)}</title>\n`,
    `<rect width="100%" height="100%" fill="#ffffff"/>\n`,
    ...parts,
    '</svg>\n',
  ].join('');
}

/** Round steps from 0 to at least `highest`: 1, 2 or 5 times a power of ten. */
export function ticksUpTo(highest: number): number[] {
  const rough = highest / TICKS_ABOUT;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, at) =>
    Number((at * step).toPrecision(12)),
  );
}

export function text(x: number, y: number, words: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escaped(words)}</text>\n`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
