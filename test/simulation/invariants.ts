/** What must hold in a worker whenever its code has run, and over all workers together. */
import { Gauge } from '../../src/pooler/counters.js';
import type { DataPlane } from '../../src/pooler/data-plane.js';
import type { Pool } from '../../src/pooler/pool.js';
import type { ServerSession } from '../../src/pooler/server-session.js';
import { ServerState } from '../../src/pooler/server-stream.js';
import { PoolMode } from '../../src/pooler/settings.js';
import { TransactionStatus } from '../../src/wire/tags.js';
import { Broken, type World } from './world.js';

/** The rest of a batch may be on its way for so long. */
const KEPT_MAX_MS = 2_000;
const STATES = [
  ServerState.Login,
  ServerState.Idle,
  ServerState.Active,
  ServerState.Cleaning,
  ServerState.Checking,
  ServerState.Leaving,
] as const;

export class Invariants {
  private readonly world: World;
  /** Servers that have answered all and are outside of a transaction, and still a client's. */
  private readonly kept = new WeakMap<ServerSession, { transactions: number; since: number }>();
  /** By state, for the pool that is looked at. */
  private readonly servers = new Int32Array(STATES.length);

  constructor(world: World) {
    this.world = world;
  }

  /** Each client has what it thinks it has, and each server is whose it thinks it is; metrics count what is there. */
  checkWorker(plane: DataPlane): void {
    for (const pool of plane.allPools()) this.checkPool(plane, pool);
    if (plane.memory.takenKb < 0) throw new Broken('more memory was given back than taken');
  }

  private checkPool(plane: DataPlane, pool: Pool): void {
    const { servers } = this;
    servers.fill(0);
    for (const each of pool.servers) {
      if (each.state === ServerState.Closed) throw new Broken(`server ${each.id} is closed and still there`);
      servers[each.state] = (servers[each.state] ?? 0) + 1;
      this.checkServer(plane, pool, each);
    }
    let clients = 0;
    let waiting = 0;
    let active = 0;
    for (const each of plane.allClients()) {
      if (each.pool !== pool) continue;
      clients++;
      if (each.isWaiting) waiting++;
      const { server } = each;
      if (server === null) continue;
      active++;
      if (server.client !== each || server.state !== ServerState.Active || each.isWaiting)
        throw new Broken(`client ${each.id} has server ${server.id}, which is not its own`);
    }
    if (active !== servers[ServerState.Active])
      throw new Broken(`${active} clients have ${servers[ServerState.Active]} servers`);
    if (waiting !== pool.waiters.length)
      throw new Broken(`${waiting} clients wait, and ${pool.waiters.length} are waited for`);
    const { counters } = pool;
    this.checkGauge(Gauge.Clients, counters.now(Gauge.Clients), clients);
    this.checkGauge(Gauge.ClientsWaiting, counters.now(Gauge.ClientsWaiting), waiting);
    for (const state of STATES) {
      const gauge = Gauge.ServersLogin + state;
      this.checkGauge(gauge, counters.now(gauge), servers[state] ?? 0);
    }
    if (pool.shared.sizeOf(plane.start.index) < pool.servers.size)
      throw new Broken(`${pool.servers.size} servers of ${pool.name} are there, and fewer are counted`);
  }

  private checkGauge(gauge: number, counted: number, there: number): void {
    if (counted !== there) throw new Broken(`gauge ${gauge} says ${counted}, and there are ${there}`);
  }

  private checkServer(plane: DataPlane, pool: Pool, server: ServerSession): void {
    const { client, state, queue } = server;
    if (state === ServerState.Active) {
      if (client === null || plane.findClient(client.id) !== client || client.pool !== pool)
        throw new Broken(`server ${server.id} is the server of nobody who is there`);
      if (client.mode === PoolMode.Transaction) this.checkIsNotKept(server);
    } else if (client !== null) throw new Broken(`server ${server.id} has a client and is not in use`);
    // Half of a notice may be there that nobody has asked for; but it must not be cut by a hand-over.
    const isCut = state === ServerState.Leaving && !server.isBetweenMessages;
    const isFree = state === ServerState.Idle || state === ServerState.Leaving;
    if (isCut || (isFree && (!queue.isEmpty || server.status !== TransactionStatus.Idle)))
      throw new Broken(`server ${server.id} is free and not clean`);
  }

  /** Outside of a transaction nobody keeps a server. */
  private checkIsNotKept(server: ServerSession): void {
    if (!server.queue.isEmpty || server.status !== TransactionStatus.Idle) return;
    const { transactions } = server;
    const known = this.kept.get(server);
    if (known?.transactions !== transactions)
      this.kept.set(server, { transactions, since: this.world.nowMs });
    else if (this.world.nowMs - known.since > KEPT_MAX_MS)
      throw new Broken(`server ${server.id} is kept by client ${server.client?.id} after its transaction`);
  }
}
