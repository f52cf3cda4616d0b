/** What a program must print for a page to be right. Numbers may be others and columns wider; `…` stands for anything,
 *  and on a line of its own for any lines. */

/** Numbers and versions, lines of tables, blanks, and what means something in a pattern. */
const PARTS = /…|\d+(?:\.\d+)*(?:-alpha\.\d+)?|-{2,}|[ \t]+|[.*+?^${}()|[\]\\]/g;
const ANY_LINES = '(?:.*\\n)*?';

/** Matches what is all of `expected` and nothing else. */
export function wholly(expected: string): RegExp {
  const lines = expected.trimEnd().split('\n');
  const pattern = lines.map((line) => (line === '…' ? ANY_LINES : `${linePattern(line)}\\n+`));
  return new RegExp(`^\\n*${pattern.join('')}$`);
}

/** Matches what has the lines of `expected` in this order, and others between them. */
export function amongOthers(expected: string): RegExp {
  const lines = expected.split('\n').filter((line) => line.trim() !== '');
  return new RegExp(lines.map((line) => `^${linePattern(line)}\\n`).join(ANY_LINES), 'm');
}

function linePattern(line: string): string {
  const pattern = line.trim().replace(PARTS, (part) => {
    if (part === '…') return '.*';
    if (/^\d/.test(part)) return '\\d+(?:\\.\\d+)*(?:-alpha\\.\\d+)?';
    if (part.startsWith('--')) return '-{2,}';
    return /^[ \t]/.test(part) ? '[ \\t]+' : `\\${part}`;
  });
  return `[ \\t]*${pattern}[ \\t]*`;
}
