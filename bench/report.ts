/** The rows of a scenario as a table of text: figures, and their ratios to those of each peer in the same case. */

import type { Column, Row } from './scenarios/scenario.js';

/** Below 1 is less than the peer, above 1 is more. */
interface RatioColumn {
  readonly title: string;
  readonly figure: string;
  readonly peer: string;
}

const NOTHING = '–';

/** `peers`: whom to compare with. */
export function tableOf(rows: readonly Row[], columns: readonly Column[], peers: readonly string[]): string {
  const ratios = peers.flatMap((peer): RatioColumn[] =>
    columns
      .filter(({ isCompared }) => isCompared === true)
      .map(({ figure, title }) => ({ title: `${title.split(/[ /]/)[0]}/${peer}`, figure, peer })),
  );
  const cells = rows.map((row) => [
    row.case,
    row.pooler,
    ...columns.map(({ figure, digits }) => row.figures?.[figure]?.toFixed(digits) ?? NOTHING),
    ...ratios.map((ratio) => ratioOf(row, rows, ratio)),
    row.failure ?? '',
  ]);
  const titles = [
    'case',
    'pooler',
    ...columns.map(({ title }) => title),
    ...ratios.map(({ title }) => title),
    '',
  ];
  return aligned([titles, ...cells]);
}

function ratioOf(row: Row, rows: readonly Row[], { figure, peer }: RatioColumn): string {
  if (row.pooler === peer) return NOTHING;
  const itself = row.figures?.[figure];
  const other = rows.find((one) => one.case === row.case && one.pooler === peer)?.figures?.[figure];
  if (itself === undefined || other === undefined || other === 0) return NOTHING;
  return (itself / other).toFixed(2);
}

/** Words to the left, figures to the right; the last cell, which may be long, as it is. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => {
          if (at === line.length - 1) return cell;
          return at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
