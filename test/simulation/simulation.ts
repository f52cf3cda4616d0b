/** One run of the simulator: the real data plane on the simulated reactor, between clients and servers of the model.
 *  What must hold is checked at every turn, and at the end when all is quiet. */
import { configurationSchema } from '../../src/config/settings/configuration.js';
import { toDataPlaneSettings } from '../../src/control/data-plane-settings.js';
import { countersBytes } from '../../src/pooler/counters.js';
import { DataPlane } from '../../src/pooler/data-plane.js';
import type { Pool } from '../../src/pooler/pool.js';
import type { ServerSession } from '../../src/pooler/server-session.js';
import { ServerState } from '../../src/pooler/server-stream.js';
import { type DataPlaneSettings, PoolMode } from '../../src/pooler/settings.js';
import { TransactionStatus } from '../../src/wire/tags.js';
import { BackendHost, type BadLuck, NO_BAD_LUCK } from './backend-host.js';
import { End } from './network.js';
import { type ClientManners, SimulatedClient } from './simulated-client.js';
import { SimulatedReactor } from './simulated-reactor.js';
import { Broken, World } from './world.js';

const DATABASE = 'mydb';
/** So long everybody may take to finish when no more is begun. Virtual milliseconds. */
const PATIENCE_MS = 600_000;
const CHECK_EVERY = 20;
/** The rest of a batch may be on its way for so long. */
const KEPT_MAX_MS = 2_000;

export interface Scenario {
  readonly clients: number;
  readonly manners: ClientManners;
  readonly luck: BadLuck;
  readonly settings: DataPlaneSettings;
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
  const settings = await toDataPlaneSettings(
    { configuration, accessRules: null, tlsFiles: new Map(), notInForce: [], files: [] },
    1,
  );
  return {
    clients,
    manners: { ...(seed % 3 === 0 ? POLITE : RUDE), keepsItsSession: isSession },
    luck: isUnlucky ? UNLUCKY : NO_BAD_LUCK,
    settings: { ...settings, accessRules: rules },
  };
}

export class Simulation {
  readonly world: World;
  private readonly scenario: Scenario;
  private readonly reactor: SimulatedReactor;
  private readonly plane: DataPlane;
  private readonly pool: Pool;
  private readonly postgres: BackendHost;
  private readonly clients = new Set<SimulatedClient>();
  /** Servers that have answered all and are outside of a transaction, and still a client's. */
  private readonly kept = new WeakMap<ServerSession, { transactions: number; since: number }>();
  private clientsSoFar = 0;
  private isQuiet = false;

  constructor(seed: number, scenario: Scenario) {
    this.scenario = scenario;
    this.world = new World(seed);
    this.postgres = new BackendHost(this.world, scenario.luck);
    this.reactor = new SimulatedReactor(this.world, () => () => this.postgres.accept());
    const start = {
      index: 0,
      settings: scenario.settings,
      counters: new SharedArrayBuffer(countersBytes(scenario.settings.pools.length)),
      statementKey: Buffer.from('key of the simulation'),
      version: '0',
    };
    this.plane = new DataPlane(start, this.reactor, (message) => {
      if (message.type === 'log') this.world.tell(`pooler, ${message.level}: ${message.text}`);
    });
    this.reactor.onBug = (error) => {
      throw error instanceof Broken
        ? error
        : new Broken(`a bug: ${error instanceof Error ? error.stack : error}`);
    };
    const pool = this.plane.findPool(DATABASE, 'alice');
    if (pool === null) throw new Broken('there is no pool');
    this.pool = pool;
    this.plane.listen();
    for (let i = 0; i < scenario.clients; i++) this.invite();
  }

  /** So many steps, and then to the end. Throws Broken. */
  run(steps: number): void {
    while (this.world.steps < steps && this.world.step()) this.check();
    this.isQuiet = true;
    this.postgres.luck = NO_BAD_LUCK;
    for (const each of this.clients) each.leave();
    const deadline = this.world.nowMs + PATIENCE_MS;
    while (this.clientsLeft().length > 0 || this.pool.clients > 0) {
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
    return this.reactor.take(ours) ? theirs : null;
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
    if (this.world.steps % CHECK_EVERY !== 0) return;
    this.clientsLeft();
    const { servers, settings, waiters } = this.pool;
    if (servers.size > settings.poolSize)
      throw new Broken(`${servers.size} servers in a pool of ${settings.poolSize}`);
    if (settings.mode === PoolMode.Transaction) for (const each of servers) this.checkIsNotKept(each);
    const now = this.pool.snapshot(0);
    const counted = now.serversActive + now.serversIdle + now.serversUsed + now.serversLogin;
    if (counted !== servers.size) throw new Broken(`${counted} servers are counted of ${servers.size}`);
    if (waiters.length > this.pool.clients) throw new Broken('more clients wait than there are');
    if (this.plane.memory.taken < 0) throw new Broken('more memory was given back than taken');
  }

  /** Outside of a transaction nobody keeps a server. */
  private checkIsNotKept(server: ServerSession): void {
    const isKept =
      server.state === ServerState.Active && server.queue.isEmpty && server.status === TransactionStatus.Idle;
    if (!isKept) return;
    const { transactions } = server;
    const known = this.kept.get(server);
    if (known?.transactions !== transactions)
      this.kept.set(server, { transactions, since: this.world.nowMs });
    else if (this.world.nowMs - known.since > KEPT_MAX_MS)
      throw new Broken(`${server.description} is kept by client ${server.client?.id} after its transaction`);
  }

  /** Clients have gone: what they used has been given back. */
  private checkNothingIsLeft(): void {
    const settled = this.world.nowMs + 60_000;
    while (this.world.nextMs < settled) this.world.step();
    const { waiters, servers } = this.pool;
    if (waiters.length > 0) throw new Broken('somebody who has gone is still waiting');
    if (this.plane.memory.taken !== 0)
      throw new Broken(`${this.plane.memory.taken} bytes of memory are still taken`);
    const now = this.pool.snapshot(0);
    if (now.serversIdle !== servers.size)
      throw new Broken(`not all servers are idle at the end\n${this.describeServers()}`);
    const { sockets, segments } = this.reactor.usage();
    if (sockets !== servers.size) throw new Broken(`${sockets} sockets are open for ${servers.size} servers`);
    if (segments !== 0) throw new Broken(`${segments} segments of memory are in use`);
  }

  private whoIsStuck(): string {
    const clients = this.clientsLeft().map((each) => `client ${each.number} waits for ${each.waitsFor}`);
    return [
      'nothing happens any more',
      ...clients,
      `${this.pool.clients} clients in the pool`,
      this.describeServers(),
    ].join('\n');
  }

  private describeServers(): string {
    const { servers } = this.pool;
    return [...servers]
      .map(
        (each) =>
          `${each.description}: ${JSON.stringify(each.snapshot())} owes ${each.queue.packed.toString(16)}, status ${String.fromCharCode(each.status)}`,
      )
      .join('\n');
  }
}
