/** What is wrong with a configuration: all of it at once, each with file, line, field, and what would be right.
 *  Passwords are never among the values shown. */

export interface Complaint {
  readonly file: string;
  /** 1 is the first; 0 when it cannot be told. */
  readonly line: number;
  /** As pools.mydb.users[0].pool_size; empty for the file as a whole. */
  readonly field: string;
  readonly what: string;
}

/** The configuration cannot be used. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly complaints: readonly Complaint[];

  constructor(complaints: readonly Complaint[]) {
    super(complaints.map(complaintText).join('\n'));
    this.complaints = complaints;
  }
}

/** One line: file:line: field: what. */
export function complaintText({ file, line, field, what }: Complaint): string {
  const place = line > 0 ? `${file}:${line}` : file;
  return field === '' ? `${place}: ${what}` : `${place}: ${field}: ${what}`;
}

export type Path = readonly (string | number)[];

/** pools.mydb.users[0].pool_size */
export function fieldText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/** The known name that a misspelt one most resembles; '' when none does. */
export function nearest(name: string, known: readonly string[]): string {
  const limit = Math.max(2, Math.floor(name.length / 3));
  const ranked = known
    .map((each) => ({ each, distance: editDistance(name, each) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.each ?? '';
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
