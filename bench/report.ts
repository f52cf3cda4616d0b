/** The rows of a scenario as a table of text: figures, and their ratios to those of each peer in the same case. */

import type { Column, Figures, Row } from './scenarios/scenario.js';

export interface RatedRow extends Row {
  /** By "figure/peer"; below 1 is less than the peer, above 1 is more. NaN: there is nothing to compare. */
  readonly ratios: Figures;
}

/** The rows beside the peers' rows of the same case. Peers are all that are not ours. */
export function withRatios(rows: readonly Row[], columns: readonly Column[]): RatedRow[] {
  const peers = [...new Set(rows.map(({ pooler }) => pooler))].filter((name) => !name.startsWith('ours'));
  const compared = columns.filter(({ isCompared }) => isCompared === true);
  return rows.map((row) => {
    const ratios = peers.flatMap((peer) => {
      const other = rows.find((one) => one.case === row.case && one.pooler === peer)?.figures;
      return compared.map(({ figure }): [string, number] => [
        `${figure}/${peer}`,
        row.pooler === peer
          ? Number.NaN
          : (row.figures?.[figure] ?? Number.NaN) / (other?.[figure] ?? Number.NaN),
      ]);
    });
    return { ...row, ratios: Object.fromEntries(ratios) };
  });
}

/** One line per row under a line of titles. */
export function tableOf(rows: readonly RatedRow[], columns: readonly Column[]): string {
  const ratioNames = Object.keys(rows[0]?.ratios ?? {});
  const titles = ['case', 'pooler', ...columns.map(({ title }) => title), ...ratioNames, ''];
  const cells = rows.map(({ case: name, pooler, figures, ratios, failure, remark }) => [
    name,
    pooler,
    ...columns.map(({ figure, digits }) => numberOf(figures?.[figure], digits)),
    ...ratioNames.map((ratio) => numberOf(ratios[ratio], 2)),
    failure ?? remark,
  ]);
  return aligned([titles, ...cells]);
}

function numberOf(value: number | undefined, digits: number): string {
  if (value === Number.POSITIVE_INFINITY) return '∞';
  return value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits);
}

/** Words to the left, figures to the right; the last cell, which may be long, as it is. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const padded = (cell: string, at: number) =>
    at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
  return lines
    .map((line) => [...line.slice(0, -1).map(padded), ...line.slice(-1)].join('  ').trimEnd())
    .join('\n');
}
