/** How soon new clients are with a new leader, from the moment that Patroni names it: patroni_proxy beside HAProxy with the
 *  usual checks, both as they are unless told otherwise. */

import { setTimeout as sleep } from 'node:timers/promises';
import { NotPossible } from '../errors.js';
import type { IdleMember } from '../idle-member.js';
import type { PatroniStandIn } from '../patroni-stand-in.js';
import type { Pooler } from '../pooler.js';
import { CHECK_INTERVAL_MS, withProxies } from '../proxies.js';
import { RawConnection } from '../raw-connection.js';
import { type Figures, oneByOne, type Scenario } from './scenario.js';

/** At moments that lie differently between two questions of the proxy. */
const CHANGES = 10;
const CHANGE_LIMIT_MS = 60_000;
const LOGIN_PAUSE_MS = 10;

export const leaders: Scenario = {
  columns: [
    { figure: 'medianMs', title: 'median ms', digits: 0, isCompared: true },
    { figure: 'longestMs', title: `longest (≤ ${CHECK_INTERVAL_MS + 100})`, digits: 0 },
  ],

  run(bench) {
    return withProxies(bench, (before, { api, all, port }) => {
      const { poolers } = before(port);
      return oneByOne(bench, poolers, 'leaders', `${CHANGES} new leaders`, 1, (pooler) =>
        measure(pooler, api, all),
      );
    });
  },
};

async function measure(
  pooler: Pooler,
  api: PatroniStandIn,
  members: readonly IdleMember[],
): Promise<Figures> {
  const took: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    await sleep(CHECK_INTERVAL_MS * (1 + change / CHANGES));
    const next = members.find(({ host }) => host !== api.leader);
    if (next === undefined) throw new NotPossible('there is nobody else to lead');
    api.leader = next.host;
    took.push(await loginReaches(pooler, next));
  }
  took.sort((a, b) => a - b);
  return { medianMs: took[took.length >> 1] ?? Number.NaN, longestMs: took.at(-1) ?? Number.NaN };
}

/** Logs in again and again until it is at this member; returns how long that took. Milliseconds. */
async function loginReaches({ address }: Pooler, member: IdleMember): Promise<number> {
  const [begunMs, logins] = [performance.now(), member.logins];
  while (member.logins === logins) {
    if (performance.now() - begunMs > CHANGE_LIMIT_MS)
      throw new NotPossible(`no client reaches the new leader in ${CHANGE_LIMIT_MS / 1000} s`);
    const connection = await RawConnection.open(address, CHANGE_LIMIT_MS).catch(() => null);
    connection?.close();
    await sleep(LOGIN_PAUSE_MS);
  }
  return performance.now() - begunMs;
}
