/** The database that a command is about. */
import type { ConsoleContext } from './command.js';
import { UnknownDatabase } from './errors.js';

/** As it is configured; a name that is written otherwise is folded to lower case, as PostgreSQL does it. null when none
 *  is named. Throws UnknownDatabase. */
export function databaseNamed({ configuration }: ConsoleContext, name: string | null): string | null {
  if (name === null) return null;
  const known = Object.keys(configuration().pools);
  const found = [name, name.toLowerCase()].find((each) => known.includes(each));
  if (found === undefined) throw new UnknownDatabase(name, known);
  return found;
}
