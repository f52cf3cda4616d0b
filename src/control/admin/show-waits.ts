import type { WaitSnapshot } from '../../pooler/thread-messages.js';
import { numeric, type Row, type ShowCommand, text } from './command.js';
import { withoutLiterals } from './statement-text.js';

/** Who waits for a server and for how long, and who holds one: pools in which somebody waits come first, and in each
 *  those who wait, the longest wait first. Literals in statements are hidden. */
export const SHOW_WAITS: ShowCommand = {
  name: 'WAITS',
  columns: [
    text('database'),
    text('user'),
    text('state'),
    numeric('for_ms'),
    text('client_id'),
    text('application_name'),
    text('addr'),
    text('server_id'),
    numeric('server_process_id'),
    text('statement'),
    numeric('worker'),
  ],
  rows: async ({ pools, snapshot }) => {
    const { waits } = await snapshot();
    const crowded = new Set(waits.filter(isWaiting).map(({ pool }) => pool));
    return [...waits]
      .sort(
        (a, b) =>
          Number(crowded.has(b.pool)) - Number(crowded.has(a.pool)) ||
          a.pool - b.pool ||
          Number(isWaiting(b)) - Number(isWaiting(a)) ||
          b.ms - a.ms,
      )
      .map((each): Row => {
        const { user, database } = pools.at(each.pool) ?? { user: '', database: '' };
        return [
          database,
          user,
          each.state,
          Math.floor(each.ms),
          `#c${each.client}`,
          each.applicationName,
          each.address,
          each.server === 0 ? null : `#s${each.server}`,
          each.server === 0 ? null : each.processId,
          withoutLiterals(each.statement),
          each.worker,
        ];
      });
  },
};

function isWaiting({ state }: WaitSnapshot): boolean {
  return state === 'waiting';
}
