/** The right side of a line in [databases] and [users]: key=value pairs, values in single quotes when they have blanks.
 *  PgBouncer manual, "Section [databases]". */
import { CannotReadPgBouncer, type IniEntry } from './ini-file.js';

const PAIR = /\s*([^=\s]+)\s*=\s*(?:'((?:[^']|'')*)'|(?!')(\S*))(?=\s|$)/gy;

/** Key to value. Throws CannotReadPgBouncer. */
export function pairsOf({ value, place, key }: IniEntry): Map<string, string> {
  const pairs = new Map<string, string>();
  PAIR.lastIndex = 0;
  let end = 0;
  for (let match = PAIR.exec(value); match !== null; match = PAIR.exec(value)) {
    const [, name = '', quoted, plain = ''] = match;
    pairs.set(name, quoted?.replaceAll("''", "'") ?? plain);
    end = PAIR.lastIndex;
  }
  if (value.slice(end).trim() !== '') {
    throw new CannotReadPgBouncer(
      `${place}: ${key}: wants key=value pairs, with '…' around values with blanks`,
    );
  }
  return pairs;
}
