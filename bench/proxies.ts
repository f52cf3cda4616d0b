/** What the scenarios of proxies have in common: ours on each reactor and HAProxy, a stand-in for Patroni, and members that
 *  take clients who do nothing. */

import { IdleMember } from './idle-member.js';
import { NODE_HOSTS, PatroniStandIn } from './patroni-stand-in.js';
import { findProxies } from './peers.js';
import { freePort } from './ports.js';
import type { Bench, Row } from './scenarios/scenario.js';

/** How often both proxies look after the members unless they are told otherwise. */
export const CHECK_INTERVAL_MS = 3000;

interface Members {
  readonly api: PatroniStandIn;
  readonly all: readonly IdleMember[];
  /** Of all of them. */
  readonly port: number;
}

/** Runs a scenario; `before` is the benchmark with proxies for poolers, before what has this port on every node. */
export async function withProxies(
  bench: Bench,
  scenario: (before: (port: number) => Bench, members: Members) => Promise<Row[]>,
): Promise<Row[]> {
  for (const pooler of bench.poolers) await pooler.stop();
  const proxies = await findProxies(bench.options, bench.children, bench.note);
  const api = await PatroniStandIn.start();
  const port = await freePort();
  const all = await Promise.all(NODE_HOSTS.map((host) => IdleMember.start(host, port)));
  const before = (memberPort: number): Bench => ({
    ...bench,
    poolers: proxies.map((contestant) =>
      bench.newPooler(contestant, {
        patroniApi: api.port,
        server: { host: NODE_HOSTS[0], port: memberPort },
      }),
    ),
  });
  try {
    return await scenario(before, { api, all, port });
  } finally {
    api.stop();
    for (const member of all) member.stop();
  }
}
