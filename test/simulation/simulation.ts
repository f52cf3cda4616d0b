/** One run of the simulator: the real data plane on the simulated reactor, between clients and servers of the model.
 *  What must hold is checked at every turn, and at the end when all is quiet. */
import { configurationSchema } from '../../src/config/settings/configuration.js';
import { type Resolved, resolveSettings } from '../../src/control/data-plane-settings.js';
import { Counter, Gauge } from '../../src/pooler/counters.js';
import { DataPlane } from '../../src/pooler/data-plane.js';
import type { ToPeer } from '../../src/pooler/peers.js';
import type { Pool } from '../../src/pooler/pool.js';
import type { ServerSession } from '../../src/pooler/server-session.js';
import { SharedPool } from '../../src/pooler/shared-pool.js';
import {
  type SharedState,
  sharedState,
  type WorkerStart,
} from '../../src/pooler/thread-messages.js';
import type { Fd } from '../../src/reactor/libc.js';
import { NO_TOKEN_KEYS } from '../support/token-keys.js';
import { BackendHost, type BadLuck, NO_BAD_LUCK } from './backend-host.js';
import { Invariants } from './invariants.js';
import { End } from './network.js';
import { type ClientManners, SimulatedClient } from './simulated-client.js';
import { SimulatedKernel, SimulatedReactor } from './simulated-reactor.js';
import { Broken, World } from './world.js';

const DATABASE = 'mydb';
/** How long a message between workers takes: most are quick, some late. Virtual milliseconds. */
const POST_MS = 0.5;
const LATE_POST_MS = 80;
/** So long everybody may take to finish when no more is begun. Virtual milliseconds. */
const PATIENCE_MS = 600_000;
const CHECK_EVERY = 20;
/** Between two RELOADs, twice that at most. */
const RELOAD_MS = 100;

export interface Scenario {
  readonly clients: number;
  readonly manners: ClientManners;
  readonly luck: BadLuck;
  readonly resolved: Resolved;
  /** pool_size changes, and servers are replaced: RELOAD. */
  readonly reloads: boolean;
}

const POLITE = { vanishes: 0, stalls: 0.02, cancels: 0, breaks: 0, expectsBadNews: false };
const RUDE = { vanishes: 0.05, stalls: 0.05, cancels: 0.3, breaks: 0.02, expectsBadNews: true };
const UNLUCKY: BadLuck = { refused: 0.05, hangs: 0.02, sessionEnds: 0.003 };

/** Servers come and go. */
const SHORT_LIVES = {
  server_lifetime: '300ms',
  idle_timeout: '150ms',
  retain_connections_time: '100ms',
  server_idle_check_timeout: '50ms',
};

/** What a seed stands for. */
export async function scenarioOf(seed: number): Promise<Scenario> {
  const isUnlucky = seed % 3 === 2;
  const isSession = seed % 5 === 4;
  const clients = 2 + (seed % 7);
  const poolSize = isSession ? clients : 1 + (seed % 4);
  const configuration = configurationSchema.parse({
    general: {
      worker_threads: 1 + (Math.floor(seed / 2) % 3),
      worker_fill_percent: seed % 2 === 0 ? 0 : 50,
      scaling_warm_pool_ratio: seed % 2 === 0 ? 20 : 100,
      query_wait_timeout: isUnlucky ? 2000 : 300_000,
      prepared_statements_cache_size: seed % 2 === 0 ? 3 : 100,
      ...(seed % 4 === 1 ? SHORT_LIVES : {}),
    },
    pools: {
      [DATABASE]: {
        server_host: '127.0.0.1',
        server_port: 5432,
        pool_mode: isSession ? 'session' : 'transaction',
        users: [{ username: 'alice', pool_size: poolSize }],
      },
    },
  });
  const rules = [
    {
      type: 'host',
      databases: [],
      users: [],
      network: { address: '127.0.0.1', prefixLength: 32 },
      method: 'trust',
      line: 1,
    },
  ] as const;
  const { settings, pools } = await resolveSettings({
    configuration,
    accessRules: null,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    files: [],
  });
  return {
    clients,
    manners: { ...(seed % 3 === 0 ? POLITE : RUDE), keepsItsSession: isSession },
    luck: isUnlucky ? UNLUCKY : NO_BAD_LUCK,
    resolved: { settings: { ...settings, accessRules: rules }, pools },
    reloads: seed % 5 === 2,
  };
}

/** What a worker of the simulation is started with: the first one is where clients come in. */
export function workerStart({ settings, pools }: Resolved, shared: SharedState, index: number): WorkerStart {
  for (const pool of pools.keys()) {
    new SharedPool(shared.pools, pool, settings.workerThreads, index).isOpen = true;
  }
  return {
    index,
    workers: settings.workerThreads,
    settings,
    pools: pools.map((each, pool) => ({ pool, settings: each })),
    shared,
    listening: index === 0 ? { fd: -1, port: 1, address: { kind: 'unix', path: '' } } : null,
    wakeFd: -1 as Fd, // nothing writes to it
    processor: null,
    hasPredecessor: false,
    statementKey: Buffer.from('key of the simulation'),
    cancelSigningKey: Buffer.from('another key of the simulation'),
    logLevel: 'info',
    mockKey: Buffer.from('a third key of the simulation'),
    version: '0',
  };
}

/** One worker: its reactor and data plane, and what the others have posted to it. */
class SimulatedWorker {
  readonly reactor: SimulatedReactor;
  readonly plane: DataPlane;
  readonly pool: Pool;
  readonly index: number;
  private readonly world: World;
  private readonly inbox: { readonly from: number; readonly message: ToPeer }[] = [];

  constructor(world: World, index: number, reactor: SimulatedReactor, plane: DataPlane, pool: Pool) {
    this.world = world;
    this.index = index;
    this.reactor = reactor;
    this.plane = plane;
    this.pool = pool;
    reactor.onWake = () => {
      for (const { from, message } of this.inbox.splice(0)) plane.onPeerMessage(from, message);
    };
  }

  /** From now on this one can post to the other. What it posts arrives in order, and at any time. */
  meet(other: SimulatedWorker): void {
    this.plane.peerCame(other.index, {
      post: (message) => {
        const { random } = this.world;
        this.world.tell(() => `worker ${this.index} to ${other.index}: ${message.type}`);
        const arrival = structuredClone(message);
        const mostMs = random.chance(0.03) ? LATE_POST_MS : POST_MS;
        other.expected.push({ from: this.index, message: arrival });
        this.world.after((random.below(1000) / 1000) * mostMs, () => {
          // Whichever of them arrives, it is the first that was posted.
          const at = other.expected.findIndex(({ from }) => from === this.index);
          other.inbox.push(...other.expected.splice(at, 1));
          other.reactor.post();
        });
      },
    });
  }

  private readonly expected: { readonly from: number; readonly message: ToPeer }[] = [];
}

export class Simulation {
  readonly world: World;
  private readonly scenario: Scenario;
  private readonly kernel = new SimulatedKernel();
  private readonly workers: readonly SimulatedWorker[];
  private readonly postgres: BackendHost;
  private readonly clients = new Set<SimulatedClient>();
  private readonly invariants: Invariants;
  private clientsSoFar = 0;
  private moves = 0;
  private isQuiet = false;
  /** Servers that there may be: with a smaller pool_size they become fewer as they come back. */
  private sizeMax = Number.POSITIVE_INFINITY;

  constructor(seed: number, scenario: Scenario, isTold: boolean) {
    this.scenario = scenario;
    this.world = new World(seed, isTold);
    this.invariants = new Invariants(this.world);
    this.postgres = new BackendHost(this.world, scenario.luck);
    const { workerThreads } = scenario.resolved.settings;
    const shared = sharedState(workerThreads);
    this.workers = Array.from({ length: workerThreads }, (_, index) => this.startWorker(index, shared));
    for (const each of this.workers) for (const other of this.workers) if (other !== each) each.meet(other);
    this.closeExpired();
    if (workerThreads > 1) this.moveSomebody();
    if (scenario.reloads) this.world.after(RELOAD_MS, () => this.reload());
    for (let i = 0; i < scenario.clients; i++) this.invite();
  }

  /** So many steps, and then to the end. Throws Broken. */
  run(steps: number): void {
    while (this.world.steps < steps && this.world.step()) this.check();
    this.isQuiet = true;
    this.postgres.luck = NO_BAD_LUCK;
    for (const each of this.clients) each.leave();
    const deadline = this.world.nowMs + PATIENCE_MS;
    while (this.clientsLeft().length > 0 || this.clientsThere > 0) {
      if (!this.world.step() || this.world.nowMs > deadline) throw new Broken(this.whoIsStuck());
      this.check();
    }
    this.checkNothingIsLeft();
  }

  /** A new client comes, and another when it has gone. */
  private invite(): void {
    if (this.isQuiet) return;
    const end = this.connect();
    if (end === null) throw new Broken('nobody listens');
    const client = new SimulatedClient(
      this.world,
      ++this.clientsSoFar,
      end,
      this.scenario.manners,
      DATABASE,
      () => this.connect(),
    );
    this.clients.add(client);
  }

  private connect(): End | null {
    const [theirs, ours] = End.pair(this.world);
    return this.workers[0]?.reactor.take(ours) === true ? theirs : null;
  }

  private startWorker(index: number, shared: SharedState): SimulatedWorker {
    const { world, kernel } = this;
    const { resolved } = this.scenario;
    const reactor = new SimulatedReactor(world, () => () => this.postgres.accept(), kernel);
    const plane = new DataPlane(workerStart(resolved, shared, index), reactor, (message) => {
      if (message.type === 'log') world.tell(() => `pooler ${index}, ${message.level}: ${message.text}`);
    });
    reactor.onBug = (error) => {
      throw error instanceof Broken
        ? error
        : new Broken(`a bug: ${error instanceof Error ? error.stack : error}`);
    };
    const pool = plane.findPool(DATABASE, 'alice');
    if (pool === null) throw new Broken('there is no pool');
    plane.begin();
    return new SimulatedWorker(world, index, reactor, plane, pool);
  }

  /** What the control plane does every retain_connections_time. */
  private closeExpired(): void {
    const { retainConnectionsTimeMs, retainConnectionsMax } = this.scenario.resolved.settings;
    let quota = retainConnectionsMax;
    for (const { pool } of this.workers) {
      for (const { id } of pool.expired()) if (quota-- > 0) pool.closeExpired(id);
    }
    for (const { reactor } of this.workers) reactor.wake();
    this.world.after(retainConnectionsTimeMs, () => this.closeExpired());
  }

  /** Each worker hears of it in its own time. */
  private reload(): void {
    if (this.isQuiet) return;
    const { random } = this.world;
    const [settings] = this.scenario.resolved.pools;
    if (settings === undefined) throw new Broken('there is no pool');
    const poolSize = Math.max(1, settings.poolSize - 1 + random.below(3));
    const serverHost = random.chance(0.5) ? 'one' : 'another';
    this.world.tell(() => `RELOAD: pool_size ${poolSize}, host ${serverHost}`);
    for (const { plane, reactor } of this.workers) {
      this.world.after(random.below(10), () => {
        plane.onMessage({ type: 'pool', pool: 0, settings: { ...settings, poolSize, serverHost } });
        reactor.wake();
      });
    }
    this.world.after(RELOAD_MS + random.below(RELOAD_MS), () => this.reload());
  }

  /** Clients move at any time, not only when workers have drifted apart. */
  private moveSomebody(): void {
    const { random } = this.world;
    const from = random.pick(this.workers);
    const to = random.pick(this.workers);
    const client = from.plane.findClient(1 + random.below(this.clientsSoFar));
    if (from !== to && client?.mayMove === true && client.socket.unsent === 0) {
      this.world.tell(() => `client ${client.id} is to move from worker ${from.index} to ${to.index}`);
      client.moveTo(to.index);
      this.moves++;
      from.reactor.wake();
    }
    this.world.after(random.below(40), () => this.moveSomebody());
  }

  /** What has happened, in a line. */
  get summary(): string {
    const { steps, nowMs } = this.world;
    const handOvers = this.workers.reduce((sum, { pool }) => sum + pool.counters.get(Counter.HandOvers), 0);
    return `${steps} steps, ${(nowMs / 1000).toFixed(0)} s of virtual time, ${handOvers} servers handed over, ${this.moves} clients moved`;
  }

  private get servers(): ServerSession[] {
    return this.workers.flatMap(({ pool }) => [...pool.servers]);
  }

  private get clientsThere(): number {
    return this.workers.reduce((sum, { plane }) => Math.max(sum, plane.board.clients), 0);
  }

  private clientsLeft(): SimulatedClient[] {
    for (const each of this.clients) {
      if (!each.hasEnded) continue;
      this.clients.delete(each);
      this.world.after(this.world.random.below(50), () => this.invite());
    }
    return [...this.clients];
  }

  // ── what must hold ─────────────────────────────────────────────────────────────────────────────────────────────

  private check(): void {
    const { steps } = this.world;
    if (steps % CHECK_EVERY === 0) this.clientsLeft();
    for (const { plane, reactor } of this.workers) if (reactor.hasRun()) this.invariants.checkWorker(plane);
    const [first] = this.workers;
    if (first === undefined) return;
    const { shared, settings } = first.pool;
    if (shared.size > settings.poolSize) this.checkSize(shared);
    else this.sizeMax = settings.poolSize;
  }

  /** There may be more servers than pool_size only when it has become smaller, and then fewer and fewer. */
  private checkSize(shared: SharedPool): void {
    const mayBe = Math.max(...this.workers.map(({ pool }) => pool.settings.poolSize));
    this.sizeMax = Math.max(mayBe, Math.min(this.sizeMax, shared.size));
    if (shared.size > this.sizeMax || this.servers.length > shared.size)
      throw new Broken(`${this.servers.length} servers, ${shared.size} counted, of ${this.sizeMax}`);
  }

  /** Clients have gone: what they used has been given back. */
  private checkNothingIsLeft(): void {
    const settled = this.world.nowMs + 60_000;
    while (this.world.nextMs < settled) this.world.step();
    if (this.kernel.connectionsUnderway > 0) throw new Broken('a connection is lost between two workers');
    for (const { pool, plane, reactor } of this.workers) {
      const { waiters, servers, shared } = pool;
      if (waiters.length > 0) throw new Broken('somebody who has gone is still waiting');
      const clients = pool.counters.now(Gauge.Clients);
      if (clients !== 0) throw new Broken(`${clients} clients are counted that have gone`);
      if (plane.memory.takenKb !== 0)
        throw new Broken(`${plane.memory.takenKb} KB of memory are still taken`);
      const now = pool.snapshot(0);
      if (now.serversIdle !== servers.size)
        throw new Broken(`not all servers are idle at the end\n${this.describeServers()}`);
      const { sockets, segments } = reactor.usage();
      if (sockets !== servers.size)
        throw new Broken(`${sockets} sockets are open for ${servers.size} servers`);
      if (segments !== 0) throw new Broken(`${segments} segments of memory are in use`);
      if (shared.size !== this.servers.length)
        throw new Broken(`${shared.size} servers are counted of ${this.servers.length}`);
      if (shared.opening !== 0 || shared.pledged !== 0 || shared.othersWait)
        throw new Broken('the workers disagree about a pool where all is quiet');
    }
  }

  private whoIsStuck(): string {
    const clients = this.clientsLeft().map((each) => `client ${each.number} waits for ${each.waitsFor}`);
    return [
      'nothing happens any more',
      ...clients,
      `${this.clientsThere} clients`,
      this.describeServers(),
    ].join('\n');
  }

  private describeServers(): string {
    return this.servers
      .map(
        (each) =>
          `server ${each.id}: ${JSON.stringify(each.snapshot())} owes ${each.queue.packed.toString(16)}, status ${String.fromCharCode(each.status)}`,
      )
      .join('\n');
  }
}
