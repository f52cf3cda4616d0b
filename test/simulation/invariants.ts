/** What must hold in a worker whenever its code has run, and over all workers together. */
import type { ClientLogin } from '../../src/pooler/client-login.js';
import { Gauge } from '../../src/pooler/counters.js';
import type { DataPlane } from '../../src/pooler/data-plane.js';
import type { Pool } from '../../src/pooler/pool.js';
import type { ServerSession } from '../../src/pooler/server-session.js';
import { ServerState } from '../../src/pooler/server-stream.js';
import { PoolMode, type PoolSettings } from '../../src/pooler/settings.js';
import { NONE_WAITS } from '../../src/pooler/shared-pool.js';
import { msSince, wholeMsSince } from '../../src/pooler/ticks.js';
import { TransactionStatus } from '../../src/wire/tags.js';
import { type BackendHost, hostOf, poolKey } from './backend-host.js';
import { versionOf } from './model-settings.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { SimulatedReactor } from './simulated-reactor.js';
import { Broken, type World } from './world.js';

/** The rest of a batch may be on its way for so long, when its client does not read what it is told. */
const KEPT_MAX_MS = 8_000;
/** Whoever logs in may wait for as long as several servers hang one after the other. */
const GREETED_MAX_MS = 20_000;
/** … but only for so long when a server may be opened, or another worker knows. */
const GREETED_SOON_MS = 1_000;
/** Timers are late, and so are rounds. */
const LATE_MAX_MS = 200;
/** Whoever waits for so long gets a server that idles in another worker. */
const NEEDS_MAX_MS = 1_000;
/** A worker reads its clock before it does what it then does. */
const CLOCKS_DIFFER_MS = 1;
/** Where small messages are put together. */
const OUTBOX_BUFFERS = 1;
/** What comes every second, and for each pool what may come when nobody waits any more. */
const TIMERS = 1;
const STATES = [
  ServerState.Login,
  ServerState.Idle,
  ServerState.Active,
  ServerState.Cleaning,
  ServerState.Checking,
  ServerState.Leaving,
] as const;

/** Who has a server without a transaction, behind how many, and since when. */
interface Kept {
  readonly transactions: number;
  readonly client: ServerSession['client'];
  readonly since: number;
}

export class Invariants {
  private readonly world: World;
  private readonly postgres: BackendHost;
  /** Servers that have answered all and are outside of a transaction, and still a client's. */
  private readonly kept = new WeakMap<ServerSession, Kept>();
  /** Servers whose client has got a part of a large message, and how much they had relayed then. */
  private readonly large = new WeakMap<ServerSession, { relayed: number; since: number }>();
  /** Since when there has been no server to come for somebody who is not to wait for others' servers. */
  private readonly inVainSince = new WeakMap<Pool, number>();
  /** Servers that have been seen, and when a pool had an idle one here last. */
  private readonly seen = new WeakSet<ServerSession>();
  private readonly idleAt = new WeakMap<Pool, number>();
  /** Logins that wait for what servers say of themselves. */
  private readonly logins = new WeakMap<ClientLogin, number>();
  /** Pools that a worker had when it was looked at last. */
  private readonly pools = new WeakMap<DataPlane, Set<Pool>>();
  /** By state, for the pool that is looked at. */
  private readonly servers = new Int32Array(STATES.length);

  /** By number of the pool: servers that there may be. */
  private readonly sizesMax: number[] = [];
  private readonly settings = new WeakMap<Pool, PoolSettings>();
  /** In upgrades, by database and user: servers that there may be in both processes … */
  private readonly mostOfBoth = new Map<string, number>();
  /** … since when a login could have been greeted. */
  private readonly greetableSince = new Map<number, number>();

  constructor(world: World, postgres: BackendHost) {
    this.world = world;
    this.postgres = postgres;
  }

  /** Each client has what it thinks it has, and each server is whose it thinks it is; metrics count what is there. */
  checkWorker(plane: DataPlane, reactor: SimulatedReactor): void {
    let count = 0;
    for (const pool of plane.allPools()) {
      this.checkPool(plane, pool);
      count++;
    }
    const known = this.pools.get(plane);
    if (known?.size !== count) this.checkClosedPools(plane, reactor, known ?? new Set());
    if (plane.memory.takenKb < 0) throw new Broken('more memory was given back than taken');
  }

  /** Beyond its warm part a pool opens a server when none has been idle for scaling_cooldown_sleep. */
  private checkPace(pool: Pool): void {
    const { settings, idle, shared, greeting } = pool;
    let opened = 0;
    for (const each of pool.servers) {
      if (each.state === ServerState.Login && !this.seen.has(each)) opened++;
      this.seen.add(each);
    }
    const { nowMs } = this.world;
    const idleFor = nowMs - (this.idleAt.get(pool) ?? Number.NEGATIVE_INFINITY);
    if (idle.length > 0) this.idleAt.set(pool, nowMs);
    const { poolSize, minPoolSize, scalingWarmPoolRatio, scalingCooldownSleepMs } = settings;
    const warmSize = Math.max(1, Math.floor((poolSize * scalingWarmPoolRatio) / 100));
    if (opened === 0 || minPoolSize > 0 || greeting.isAwaited || shared.size - opened < warmSize) return;
    if (idleFor < scalingCooldownSleepMs - CLOCKS_DIFFER_MS)
      throw new Broken(`${pool.name} opens a server ${idleFor} ms after it had one to spare`);
  }

  /** A pool that is closed is kept by nothing. */
  private checkClosedPools(plane: DataPlane, reactor: SimulatedReactor, known: ReadonlySet<Pool>): void {
    for (const pool of known) {
      if (plane.poolAt(pool.index) === pool) continue;
      if (reactor.hasTimerOf([pool, pool.growth, pool.sharing]))
        throw new Broken(`${pool.name} is closed and has timers`);
    }
    this.pools.set(plane, new Set(plane.allPools()));
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
    if (waiting > 0 && plane.isShuttingDown && !plane.passage.isDeparting)
      throw new Broken(`${waiting} clients wait at SHUTDOWN for servers that do not come`);
    const version = pool.greeting.parameters.get('server_version');
    if (version !== undefined && version !== versionOf(hostOf(pool.address)))
      throw new Broken(`clients of ${pool.name} are greeted by ${version}, which it has left`);
    if (pool.greeting.isAwaited) this.checkLogins(plane, pool);
    this.checkShared(plane, pool);
    this.checkWaits(plane, pool);
    this.checkPace(pool);
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

  /** The clock by which patience is measured. */
  private get patienceMs(): number {
    const { nowMs, stoppedUntilMs, stoppedMs } = this.world;
    return Math.max(nowMs, stoppedUntilMs) - stoppedMs;
  }

  /** They are greeted soon, or told why not. */
  private checkLogins({ isShuttingDown }: DataPlane, pool: Pool): void {
    if (isShuttingDown) throw new Broken('a login waits at SHUTDOWN for a server that does not come');
    const logins: ReadonlySet<ClientLogin> = Reflect.get(pool.greeting, 'logins');
    const nowMs = this.patienceMs;
    for (const each of logins) {
      const since = this.logins.get(each);
      // A server that is a session's to its end may be one that nobody else gets.
      if (since === undefined || pool.isPaused || pool.settings.mode === PoolMode.Session)
        this.logins.set(each, nowMs);
      else if (nowMs - since > GREETED_MAX_MS) throw new Broken('a login waits for its greeting for ever');
    }
  }

  /** The other workers are told what is there. */
  private checkShared({ start }: DataPlane, { name, waiters, shared }: Pool): void {
    const { index } = start;
    const { first, length } = waiters;
    if (shared.workers > 1 && shared.waitingIn(index) !== length)
      throw new Broken(`others see other waiters of ${name}`);
    if (first === null && shared.waitIn(index, 0) !== NONE_WAITS)
      throw new Broken(`somebody who has a server is still said to wait for one of ${name}`);
  }

  /** Nobody waits for longer than query_wait_timeout; where it is 0, for longer than a server takes to open. */
  private checkWaits({ settings, reactor }: DataPlane, pool: Pool): void {
    const { name, waiters, growth, sharing } = pool;
    const { connectTimeoutMs } = pool.settings;
    const { first } = waiters;
    const { patienceMs } = this;
    const mayCome = growth.coming + growth.room + sharing.idleElsewhere;
    if (settings.queryWaitTimeoutMs > 0 || waiters.length <= mayCome) this.inVainSince.delete(pool);
    const inVainSince = this.inVainSince.get(pool) ?? patienceMs;
    if (settings.queryWaitTimeoutMs === 0 && waiters.length > mayCome)
      this.inVainSince.set(pool, inVainSince);
    if (patienceMs - inVainSince > LATE_MAX_MS) throw new Broken(`clients wait for ${name} in vain`);
    if (first === null) return;
    const most = settings.queryWaitTimeoutMs === 0 ? connectTimeoutMs : settings.queryWaitTimeoutMs;
    const waited = msSince(first.waitingSince, reactor.nowMs) - this.world.stoppedMs;
    if (waited > most + LATE_MAX_MS)
      throw new Broken(`client ${first.id} has waited for ${waited.toFixed(0)} ms for a server of ${name}`);
  }

  /** A large message that does not go on ends. */
  private checkLarge({ settings }: DataPlane, server: ServerSession): void {
    const { messageSizeToBeStream, proxyCopyDataTimeoutMs } = settings;
    if (messageSizeToBeStream === 0 || !server.isMidLargeMessage(messageSizeToBeStream)) return;
    const { patienceMs } = this;
    const relayed = server.bytesReceived + server.bytesSent;
    const known = this.large.get(server);
    if (known?.relayed !== relayed) this.large.set(server, { relayed, since: patienceMs });
    else if (patienceMs - known.since > 2 * proxyCopyDataTimeoutMs + LATE_MAX_MS)
      throw new Broken(`a large message of server ${server.id} has come to a stop, and nobody minds`);
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
      this.checkLarge(plane, server);
    } else if (client !== null) throw new Broken(`server ${server.id} has a client and is not in use`);
    // Half of a notice may be there that nobody has asked for; but it must not be cut by a hand-over.
    const isCut = state === ServerState.Leaving && !server.isBetweenMessages;
    if (pool.isPaused && state === ServerState.Idle)
      throw new Broken(`server ${server.id} is kept while paused`);
    if (state === ServerState.Idle && this.postgres.hosts.get(server.processId) !== hostOf(pool.address))
      throw new Broken(`server ${server.id} is kept and is of a host that ${pool.name} has left`);
    const isFree = state === ServerState.Idle || state === ServerState.Leaving;
    if (isCut || (isFree && (!queue.isEmpty || server.status !== TransactionStatus.Idle)))
      throw new Broken(`server ${server.id} is free and not clean`);
  }

  // ── over all workers ───────────────────────────────────────────────────────────────────────────────────────────

  /** There may be more servers than pool_size only when it has become smaller, and then fewer and fewer: a worker that was
   *  held up may hear of several sizes in one round. In an upgrade those of another process are counted, which may have had
   *  another pool_size. */
  checkProcess(process: SimulatedProcess, isUpgrading: boolean): void {
    const open = new Map(process.pools.all());
    for (const number of this.greetableSince.keys())
      if (!open.has(number)) this.greetableSince.delete(number);
    for (const number of open.keys()) {
      let mayBe = 0;
      let opening = 0;
      let servers = 0;
      let isChanged = false;
      let isAwaited = false;
      let isKnown = false;
      for (const { isDead, plane } of process.workers) {
        const pool = isDead ? null : plane.poolAt(number);
        if (pool === null) continue;
        mayBe = Math.max(mayBe, pool.settings.poolSize);
        if (this.settings.get(pool) !== pool.settings) isChanged = true;
        this.settings.set(pool, pool.settings);
        opening += pool.growth.opening;
        if (pool.greeting.isKnown) isKnown = true;
        if (pool.greeting.isAwaited && !pool.isPaused) isAwaited = true;
        servers += pool.servers.size;
        if (opening > pool.settings.maxConcurrentCreates)
          throw new Broken(`${opening} servers of ${pool.name} are being opened at a time`);
      }
      const { size } = process.pools.sharedPool(number);
      this.checkNeeds(process, number);
      this.checkGreetings(number, isAwaited && opening === 0 && (isKnown || size < mayBe));
      const before = isUpgrading || isChanged ? undefined : this.sizesMax[number];
      const most = Math.max(mayBe, Math.min(before ?? Number.POSITIVE_INFINITY, size));
      this.sizesMax[number] = most;
      if (size > most || servers > size)
        throw new Broken(`pool ${number}: ${servers} servers, ${size} counted, of ${most}`);
    }
  }

  /** Both processes of an upgrade together have no more servers of a pool than one of them might have. */
  checkBoth(old: SimulatedProcess, next: SimulatedProcess): void {
    for (const [number, settings] of next.pools.all()) {
      const key = poolKey(settings);
      const shared = next.pools.sharedPool(number);
      const own = next.workers.reduce((sum, { index }) => sum + shared.sizeOf(index), 0);
      const before = old.pools
        .servers()
        .reduce((sum, each) => (poolKey(each) === key ? sum + each.servers : sum), 0);
      const most = Math.max(this.mostOfBoth.get(key) ?? 0, settings.poolSize, before);
      this.mostOfBoth.set(key, most);
      if (own + before > most)
        throw new Broken(
          `pool ${number}: ${own} servers here and ${before} in the other process, of ${most}`,
        );
    }
  }

  /** Nobody waits while a server idles in another worker. */
  private checkNeeds(process: SimulatedProcess, number: number): void {
    const { nowMs, stoppedMs } = this.world;
    for (const { waiters, isPaused } of process.poolsOf(number)) {
      const { first } = waiters;
      if (first === null || isPaused) continue;
      if (msSince(first.waitingSince, nowMs) - stoppedMs < NEEDS_MAX_MS) continue;
      for (const { idle } of process.poolsOf(number)) {
        if (idle.first !== null && wholeMsSince(idle.first.idleSince, nowMs) - stoppedMs > LATE_MAX_MS)
          throw new Broken(`client ${first.id} waits, and server ${idle.first.id} idles elsewhere`);
      }
    }
  }

  private checkGreetings(pool: number, isGreetable: boolean): void {
    const since = this.greetableSince.get(pool) ?? this.patienceMs;
    if (isGreetable) this.greetableSince.set(pool, since);
    else this.greetableSince.delete(pool);
    if (this.patienceMs - since > GREETED_SOON_MS)
      throw new Broken(`a login waits for its greeting by pool ${pool}, and could have it`);
  }

  serversOf(process: SimulatedProcess): number {
    let servers = 0;
    for (const { plane } of process.living())
      for (const pool of plane.allPools()) servers += pool.servers.size;
    return servers;
  }

  // ── when all is quiet ──────────────────────────────────────────────────────────────────────────────────────────

  /** Nobody is there any more. */
  checkQuiet(plane: DataPlane, reactor: SimulatedReactor): void {
    let servers = 0;
    for (const pool of plane.allPools()) {
      servers += pool.servers.size;
      if (pool.waiters.length > 0) throw new Broken('somebody who has gone is still waiting');
      const clients = pool.counters.now(Gauge.Clients);
      if (clients !== 0) throw new Broken(`${clients} clients are counted that have gone`);
      if (pool.snapshot(0).serversIdle !== pool.servers.size) throw new Broken('not all servers are idle');
      const { length } = pool.statements.all();
      if (length > plane.settings.preparedStatementsCacheSize)
        throw new Broken(`${length} statements are kept`);
    }
    if (plane.memory.takenKb !== 0) throw new Broken(`${plane.memory.takenKb} KB of memory are still taken`);
    const { sockets, segments, buffers, timers } = reactor.usage();
    if (sockets !== servers) throw new Broken(`${sockets} sockets are open for ${servers} servers`);
    if (segments !== 0) throw new Broken(`${segments} segments of memory are in use`);
    if (buffers > OUTBOX_BUFFERS) throw new Broken(`${buffers} buffers are in use`);
    if (timers > TIMERS + [...plane.allPools()].length) throw new Broken(`${timers} timers are set`);
  }

  checkQuietProcess(process: SimulatedProcess): void {
    const { board } = process;
    for (const { index } of process.workers) {
      const clients = board.clientsOf(index);
      if (clients !== 0) throw new Broken(`${clients} clients are counted in worker ${index}`);
    }
    for (const [number, { minPoolSize, poolSize }] of process.pools.all()) {
      const shared = process.pools.sharedPool(number);
      let servers = 0;
      for (const pool of process.poolsOf(number)) servers += pool.servers.size;
      if (servers < Math.min(minPoolSize, poolSize))
        throw new Broken(`${servers} servers are there, and min_pool_size is ${minPoolSize}`);
      if (shared.size !== servers) throw new Broken(`${shared.size} servers are counted of ${servers}`);
      if (shared.clients !== 0) throw new Broken(`${shared.clients} clients are counted in a pool`);
      for (const pool of process.poolsOf(number)) {
        const { opening, pledged, othersWait } = pool.shared;
        if (opening !== 0 || pledged !== 0 || othersWait)
          throw new Broken('the workers disagree about a pool where all is quiet');
      }
    }
  }

  /** Outside of a transaction nobody keeps a server. */
  private checkIsNotKept(server: ServerSession): void {
    if (!server.queue.isEmpty || server.status !== TransactionStatus.Idle) return;
    const { transactions, client } = server;
    const known = this.kept.get(server);
    if (known?.transactions !== transactions || known.client !== client)
      this.kept.set(server, { transactions, client, since: this.patienceMs });
    else if (this.patienceMs - known.since > KEPT_MAX_MS)
      throw new Broken(`server ${server.id} is kept by client ${server.client?.id} after its transaction`);
  }
}
