/** Idle clients: what each costs in resident memory of a pooler that has just been started, and whether it comes back
 *  when they have left. Memory of the kernel is not counted. */

import { NotPossible } from '../errors.js';
import type { Pooler } from '../pooler.js';
import { descriptorLimitOf, settledBytesOf } from '../process-usage.js';
import { RawConnection } from '../raw-connection.js';
import { type Figures, inTurns, type Scenario } from './scenario.js';

/** Logins at a time: fewer than any backlog. */
const LOGINS_AT_ONCE = 50;
const LOGIN_TIMEOUT_MS = 10_000;
const ALL_LOGINS_TIMEOUT_MS = 120_000;
/** Descriptors for everything but the clients. */
const SPARE_DESCRIPTORS = 200;

export const idle: Scenario = {
  columns: [
    { figure: 'startMB', title: 'RSS MB at start', digits: 1 },
    { figure: 'idleMB', title: 'with the clients', digits: 1 },
    { figure: 'leftMB', title: 'after they left', digits: 1 },
    { figure: 'bytesPerClient', title: 'bytes/client', digits: 0, isCompared: true },
  ],

  run(bench) {
    const { idleClients } = bench.options;
    return inTurns(bench, 'idle', `${idleClients} clients`, 1, (pooler) =>
      measureIdle(pooler, idleClients, 1),
    );
  },
};

/** `descriptors`: of the pooler, for each client. */
export async function measureIdle(pooler: Pooler, count: number, descriptors: number): Promise<Figures> {
  await pooler.restart();
  const { pid } = pooler;
  const room = Math.min(descriptorLimitOf(pid), descriptorLimitOf(process.pid)) - SPARE_DESCRIPTORS;
  const limit = Math.floor(room / descriptors);
  if (count > limit) throw new NotPossible(`the limit of descriptors has room for ${limit} clients only`);
  const start = await settledBytesOf(pid);
  const clients: RawConnection[] = [];
  let withClients: number;
  try {
    await logIn(pooler, count, clients);
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

async function logIn({ address }: Pooler, count: number, clients: RawConnection[]): Promise<void> {
  const deadline = Date.now() + ALL_LOGINS_TIMEOUT_MS;
  while (clients.length < count) {
    if (Date.now() > deadline) throw new NotPossible(`only ${clients.length} clients logged in in time`);
    const batch = Array.from({ length: Math.min(LOGINS_AT_ONCE, count - clients.length) }, async () => {
      clients.push(await RawConnection.open(address, LOGIN_TIMEOUT_MS));
    });
    const failed = (await Promise.allSettled(batch)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }
}
