import type { StatementSnapshot } from '../../pooler/thread-messages.js';
import { numeric, type Row, type ShowCommand, text } from './command.js';
import { withoutLiterals } from './statement-text.js';

/** Statements that clients have prepared, once per pool: each worker keeps its own copy under the same name.
 *  count_used: how often it was bound. */
export const SHOW_PREPARED_STATEMENTS: ShowCommand = {
  name: 'PREPARED_STATEMENTS',
  columns: [text('pool'), text('hash'), text('name'), text('query'), numeric('count_used')],
  rows: async ({ pools, statements }) =>
    [...merged(await statements())].map(({ pool, hash, name, query, uses }): Row => {
      const { user, database } = pools.at(pool) ?? { user: '', database: '' };
      return [`${user}@${database}`, hash.toString(16).padStart(8, '0'), name, withoutLiterals(query), uses];
    }),
};

function merged(all: readonly StatementSnapshot[]): Iterable<StatementSnapshot> {
  const byName = new Map<string, StatementSnapshot>();
  for (const each of all) {
    const key = `${each.pool} ${each.name}`;
    const uses = (byName.get(key)?.uses ?? 0) + each.uses;
    byName.set(key, { ...each, uses });
  }
  return byName.values();
}
