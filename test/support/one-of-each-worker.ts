/** Clients in transactions, one of each worker, by its number. */
import type { Doorman } from './doorman.js';
import { WireClient } from './wire-client.js';

const CLIENTS_MAX = 2000;

/** A worker that has much to do, as after its start, gets nobody for a while: clients come until each has one. */
export async function oneOfEachWorker(doorman: Doorman, workers: number): Promise<WireClient[]> {
  const found = new Map<number, WireClient>();
  for (let turn = 0; found.size < workers; turn++) {
    if (turn === CLIENTS_MAX) throw new Error(`only workers ${[...found.keys()]} get clients`);
    const client = await WireClient.login(doorman.port, 'postgres', 'postgres');
    await client.query('begin; select 1');
    const worker = await workerOf(doorman, client);
    if (!found.has(worker)) {
      found.set(worker, client);
      continue;
    }
    await client.query('commit');
    client.close();
  }
  return [...found].sort(([a], [b]) => a - b).map(([, client]) => client);
}

async function workerOf(doorman: Doorman, { socket }: WireClient): Promise<number> {
  const waits = await doorman.admin('show waits');
  const wait = waits.find(({ addr }) => addr?.endsWith(`:${socket.localPort}`));
  if (wait === undefined) throw new Error('SHOW WAITS does not know a client that has a server');
  return Number(wait.worker);
}
