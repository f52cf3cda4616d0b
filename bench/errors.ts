/** What can go wrong in the benchmark itself; a pooler that fails is a row of its table instead. */

/** The command line asks for something that does not exist. */
export class UsageError extends Error {}

/** A program that the benchmark started did not do its work. */
export class ProgramFailed extends Error {
  constructor(program: string, what: string, output: string) {
    const lines = output
      .trim()
      .split('\n')
      .filter((line) => line !== '');
    super([`${program}: ${what}`, ...lines.slice(-LINES_SHOWN)].join('\n    '));
  }
}

/** A connection of the benchmark's own got ErrorResponse, or ended too early. */
export class ConnectionFailed extends Error {}

/** What the benchmark or one of its scenarios needs is not there. */
export class NotPossible extends Error {}

/** Lines of a program's output that explain its end. */
const LINES_SHOWN = 4;

/** The beginning of whatever was thrown, for a row of the table. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').slice(0, 2).join(' ').replace(/\s+/g, ' ');
}
