/** Idle clients: what each costs in resident memory of a pooler that has just been started, and whether it comes back
 *  when they have left. Memory of the kernel is not counted. */

import { NotPossible } from '../errors.js';
import type { Pooler } from '../pooler.js';
import { descriptorLimitOf, settledBytesOf } from '../process-usage.js';
import { RawConnection } from '../raw-connection.js';
import { type Column, type Figures, inTurns, type Scenario } from './scenario.js';

/** Logins at a time: fewer than any backlog. */
const LOGINS_AT_ONCE = 50;
const LOGIN_TIMEOUT_MS = 10_000;
const ALL_LOGINS_TIMEOUT_MS = 120_000;
/** Descriptors for everything but the clients. */
const SPARE_DESCRIPTORS = 200;

export const IDLE_COLUMNS: readonly Column[] = [
  { figure: 'startMB', title: 'RSS MB at start', digits: 1 },
  { figure: 'idleMB', title: 'with the clients', digits: 1 },
  { figure: 'leftMB', title: 'after they left', digits: 1 },
  { figure: 'bytesPerClient', title: 'bytes/client', digits: 0, isCompared: true },
];

export const idle: Scenario = {
  columns: IDLE_COLUMNS,

  run(bench) {
    const { idleClients } = bench.options;
    return inTurns(bench, 'idle', `${idleClients} clients`, 1, (pooler) =>
      idleFigures(pooler, idleClients, openPlain(pooler)),
    );
  },
};

interface IdleClient {
  /** Says goodbye. */
  close(): void;
}

/** Logs a client in without TLS. */
export function openPlain(pooler: Pooler): () => Promise<IdleClient> {
  return () => RawConnection.open(pooler.address, LOGIN_TIMEOUT_MS);
}

/** Figures of IDLE_COLUMNS, of a pooler that is started anew and ended. `descriptors`: of the pooler, for each client. */
export async function idleFigures(
  pooler: Pooler,
  count: number,
  open: () => Promise<IdleClient>,
  descriptors = 1,
): Promise<Figures> {
  await pooler.restart();
  const { pid } = pooler;
  const room = Math.min(descriptorLimitOf(pid), descriptorLimitOf(process.pid)) - SPARE_DESCRIPTORS;
  const limit = Math.floor(room / descriptors);
  if (count > limit) throw new NotPossible(`the limit of descriptors has room for ${limit} clients only`);
  const start = await settledBytesOf(pid);
  const clients: IdleClient[] = [];
  let withClients: number;
  try {
    await logIn(count, clients, open);
    withClients = await settledBytesOf(pid);
  } finally {
    for (const client of clients) client.close();
  }
  const left = await settledBytesOf(pid);
  await pooler.stop();
  return {
    startMB: start / 1e6,
    idleMB: withClients / 1e6,
    leftMB: left / 1e6,
    bytesPerClient: (withClients - start) / count,
  };
}

async function logIn(count: number, clients: IdleClient[], open: () => Promise<IdleClient>): Promise<void> {
  const deadline = Date.now() + ALL_LOGINS_TIMEOUT_MS;
  while (clients.length < count) {
    if (Date.now() > deadline) throw new NotPossible(`only ${clients.length} clients logged in in time`);
    const batch = Array.from({ length: Math.min(LOGINS_AT_ONCE, count - clients.length) }, async () => {
      clients.push(await open());
    });
    const failed = (await Promise.allSettled(batch)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }
}
