/** What an administrator does to this worker's pools and clients, and what SHOW WAITS and SHOW PREPARED_STATEMENTS look
 *  at. The control plane asks every worker; what belongs together over all of them is put together there. */
import { peerText } from '../reactor/socket-address.js';
import { TransactionStatus } from '../wire/tags.js';
import { cancelQuery } from './cancel.js';
import type { DataPlane } from './data-plane.js';
import type { Pool } from './pool.js';
import type { ServedClient } from './served-client.js';
import type { ServerSession } from './server-session.js';
import type { PoolCommand, StatementSnapshot, WaitSnapshot } from './thread-messages.js';
import { msSince, wholeMsSince } from './ticks.js';

/** Of a prepared statement's text so much is shown. Bytes. */
const QUERY_SHOWN_MAX = 4096;

export class Administration {
  private readonly plane: DataPlane;
  private areAllPaused = false;
  private readonly paused = new Set<string>();

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  /** Whether a pool of this database is not to serve for now: new ones, too. */
  isPaused(database: string): boolean {
    return this.areAllPaused || this.paused.has(database);
  }

  /** Does it to the pools of this database, null for all. Returns how many servers they have in the whole process; for
   *  kill, how many clients were ended. */
  run(command: PoolCommand, database: string | null): number {
    if (command === 'pause' || command === 'kill') this.notePaused(database);
    else if (command === 'resume') this.noteResumed(database);
    let count = 0;
    for (const pool of this.plane.allPools()) {
      if (database !== null && pool.settings.database !== database) continue;
      count += this.runOn(pool, command);
    }
    return count;
  }

  /** Ends this client if it is here. Returns how many that were. */
  killClient(id: number): number {
    const client = this.plane.findClient(id);
    return client !== null && this.kill(client) ? 1 : 0;
  }

  /** The clients that wait for a server or have one. */
  waits(): WaitSnapshot[] {
    const waits: WaitSnapshot[] = [];
    for (const client of this.plane.allClients()) {
      if (client.isWaiting) waits.push(this.waiting(client));
      else if (client.server !== null) waits.push(this.holding(client, client.server));
    }
    return waits;
  }

  statements(): StatementSnapshot[] {
    return [...this.plane.allPools()].flatMap(({ index, statements }) =>
      statements.all().map((each) => ({
        pool: index,
        hash: each.hash,
        name: each.nameText,
        query: each.beginning(QUERY_SHOWN_MAX),
        uses: each.uses,
      })),
    );
  }

  private notePaused(database: string | null): void {
    if (database === null) this.areAllPaused = true;
    else this.paused.add(database);
  }

  private noteResumed(database: string | null): void {
    if (database !== null) {
      this.paused.delete(database);
      return;
    }
    this.areAllPaused = false;
    this.paused.clear();
  }

  private runOn(pool: Pool, command: PoolCommand): number {
    switch (command) {
      case 'pause':
        pool.pause();
        break;
      case 'resume':
        if (!this.isPaused(pool.settings.database)) pool.resume();
        break;
      case 'reconnect':
        pool.renewServers('reconnect');
        break;
      case 'kill':
        return this.killAll(pool);
    }
    return pool.shared.size;
  }

  private killAll(pool: Pool): number {
    pool.pause();
    let count = 0;
    for (const client of [...this.plane.allClients()]) if (client.pool === pool && this.kill(client)) count++;
    pool.closeAll('killed');
    return count;
  }

  /** Of what it has asked for at PostgreSQL nobody waits for the end: it is cancelled, and its server closed, since a
   *  cancel may come before the query and do nothing. */
  private kill(client: ServedClient): boolean {
    const { server } = client;
    const isBusy = server !== null && !server.queue.isEmpty;
    if (isBusy) cancelQuery(this.plane, server);
    const isKilled = client.kill();
    if (isBusy) server.close('killed');
    return isKilled;
  }

  private waiting(client: ServedClient): WaitSnapshot {
    return {
      ...whoIs(client),
      state: 'waiting',
      ms: msSince(client.waitingSince, this.plane.reactor.nowMs),
      server: 0,
      processId: 0,
      statement: client.waitsWith,
    };
  }

  private holding(client: ServedClient, server: ServerSession): WaitSnapshot {
    return {
      ...whoIs(client),
      state: stateOf(server),
      ms: wholeMsSince(client.heldSince, this.plane.reactor.nowMs),
      server: server.id,
      processId: server.processId,
      statement: server.beginning.text,
    };
  }
}

function whoIs({
  id,
  pool,
  applicationName,
  socket,
}: ServedClient): Pick<WaitSnapshot, 'worker' | 'pool' | 'client' | 'applicationName' | 'address'> {
  const worker = pool.plane.start.index;
  return { worker, pool: pool.index, client: id, applicationName, address: peerText(socket.peerAddress()) };
}

function stateOf({ queue, status }: ServerSession): WaitSnapshot['state'] {
  if (!queue.isEmpty) return 'active';
  if (status === TransactionStatus.InTransaction) return 'idle in transaction';
  return status === TransactionStatus.Failed ? 'idle in transaction (aborted)' : 'idle';
}
