/** One run of the simulator: the real data plane on simulated reactors, between clients and servers of the model, in a
 *  process whose workers die and whose administrators do as they like. What must hold is checked whenever the code of a
 *  worker has run, and at the end when all is quiet. */
import { BackendHost, NO_BAD_LUCK, poolKey } from './backend-host.js';
import { Invariants } from './invariants.js';
import { End } from './network.js';
import type { Scenario } from './scenario.js';
import { type PoolerForClient, SimulatedClient } from './simulated-client.js';
import { SimulatedProcess, type Surroundings } from './simulated-process.js';
import { SimulatedKernel } from './simulated-reactor.js';
import { SimulatedUpgrade } from './simulated-upgrade.js';
import type { SimulatedWorker } from './simulated-worker.js';
import { Broken, World } from './world.js';

/** So long everybody may take to finish when no more is begun. Virtual milliseconds. */
const PATIENCE_MS = 600_000;
/** … and everything to be given back then. */
const SETTLES_MS = 60_000;
const SHUTDOWN_MS = 10_000;
const SHUTDOWN_SOON_MS = 20;
/** Clients that come just before. */
const COME_LAST = 5;
const CHECK_EVERY = 20;
/** Between two times that something may come to trouble everybody, twice that at most. */
const TROUBLE_MS = 100;
const PAUSE_MAX_MS = 500;
const STOP_MAX_MS = 30_000;

export class Simulation implements PoolerForClient {
  readonly world: World;
  private readonly scenario: Scenario;
  private readonly kernel = new SimulatedKernel();
  private process: SimulatedProcess;
  /** Processes that have not ended: this one, and those whose place it has taken. */
  private processes: readonly SimulatedProcess[];
  private upgrade: SimulatedUpgrade | null = null;
  private readonly around: Surroundings;
  private readonly postgres: BackendHost;
  private readonly clients = new Set<SimulatedClient>();
  private readonly invariants: Invariants;
  private clientsSoFar = 0;
  private moves = 0;
  private upgrades = 0;
  private isQuiet = false;
  private isShutDown = false;
  /** Nobody is there any more: no server is closed or opened, so that all are idle when they are looked at. */
  private isOver = false;

  constructor(seed: number, scenario: Scenario, isTold: boolean) {
    this.scenario = scenario;
    this.world = new World(seed, isTold);
    this.world.network = scenario.network;
    this.kernel.busyMaxMs = scenario.busyMaxMs;
    this.postgres = new BackendHost(this.world, scenario.luck);
    this.invariants = new Invariants(this.world, this.postgres);
    const { world, kernel, postgres } = this;
    this.around = {
      world,
      kernel,
      scenario,
      postgres,
      connects: (end) => this.process.take(end),
      departs: (from, message) => {
        if (from !== this.process) this.upgrade?.onMessage(message);
      },
    };
    this.process = new SimulatedProcess(this.around, null);
    this.processes = [this.process];
    this.retain();
    this.trouble();
    if (scenario.resolved.settings.workerThreads > 1) this.moveSomebody();
    for (let i = 0; i < scenario.clients; i++) this.invite();
  }

  /** So many steps, and then to the end. Throws Broken. */
  run(steps: number): void {
    while (this.world.steps < steps && this.world.step()) this.check();
    if (this.scenario.manners.expectsBadNews && this.world.random.chance(0.3)) this.shutDownSoon();
    else {
      this.calmDown();
      for (const each of this.clients) each.leave();
    }
    const deadline = this.world.nowMs + PATIENCE_MS;
    while (this.clientsLeft() > 0 || (!this.process.hasEnded && this.isAnythingUnderway)) {
      if (!this.world.step() || this.world.nowMs > deadline) throw new Broken(this.whoIsStuck());
      this.check();
    }
    this.isOver = true;
    this.settle();
    this.process.fill();
    this.settle();
    if (!this.isShutDown) this.checkNothingIsLeft();
    this.checkEndOfAll();
  }

  /** What has happened, in a line. */
  get summary(): string {
    const { steps, nowMs } = this.world;
    const { handOvers, deaths } = this.process;
    return `${steps} steps, ${(nowMs / 1000).toFixed(0)} s of virtual time, ${this.clientsSoFar} clients, ${handOvers} servers handed over, ${this.moves} clients moved, ${deaths} workers died, ${this.upgrades} upgrades`;
  }

  // ── who comes ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A new client comes, and another when it has gone. */
  private invite(): void {
    if (this.isQuiet) return;
    const { manners, resolved } = this.scenario;
    const { database, user } = this.world.random.pick(resolved.pools);
    const number = ++this.clientsSoFar;
    this.postgres.poolsOfClients.set(`c${number}`, poolKey({ database, user }));
    this.clients.add(new SimulatedClient(this.world, number, manners, { database, user }, this));
  }

  hasServerOf(processId: number): boolean {
    for (const process of this.processes) {
      for (const { plane } of process.living()) {
        for (const client of plane.allClients()) if (client.id === processId && client.isActive) return true;
      }
    }
    return false;
  }

  connect(): End {
    const [theirs, ours] = End.pair(this.world);
    this.process.take(ours);
    return theirs;
  }

  /** Removes those who have ended, and returns how many there are. */
  private clientsLeft(): number {
    for (const each of this.clients) {
      if (!each.hasEnded) continue;
      this.clients.delete(each);
      this.world.after(this.world.random.below(50), () => this.invite());
    }
    return this.clients.size;
  }

  // ── what happens to them ───────────────────────────────────────────────────────────────────────────────────────

  private retain(): void {
    if (this.isOver) return;
    this.process.retain();
    this.world.after(this.scenario.resolved.settings.retainConnectionsTimeMs, () => this.retain());
  }

  private trouble(): void {
    if (this.isQuiet) return;
    const { world, scenario, process } = this;
    const { random } = world;
    const { reloads, pauses, reconnects, kills, deaths, upgrades } = scenario.trouble;
    if (random.chance(reloads)) this.reload();
    if (random.chance(pauses)) this.pause();
    if (random.chance(reconnects)) process.administer('reconnect', this.someDatabase());
    if (random.chance(kills)) this.kill();
    const living = [...process.living()];
    if (living.length > 0 && random.chance(deaths)) process.kill(random.pick(living));
    if (!this.isUpgrading && !process.isSettling && random.chance(upgrades)) this.replaceProcess();
    if (scenario.trouble.stops > 0 && random.chance(scenario.trouble.stops)) this.stopSomebody(living);
    if (scenario.trouble.restarts > 0 && random.chance(scenario.trouble.restarts)) this.postgres.restart();
    world.after(TROUBLE_MS + random.below(TROUBLE_MS), () => this.trouble());
  }

  private get isUpgrading(): boolean {
    return this.upgrade?.isUnderway === true;
  }

  /** A binary upgrade. */
  private replaceProcess(): void {
    const old = this.process;
    this.world.tell(() => 'UPGRADE');
    this.upgrades++;
    this.upgrade = new SimulatedUpgrade(this.world, this.kernel, old);
    this.process = new SimulatedProcess(this.around, this.upgrade);
    this.processes = [...this.processes, this.process];
    this.upgrade.begin(this.process);
  }

  private stopSomebody(living: readonly SimulatedWorker[]): void {
    const { random } = this.world;
    if (living.length === 0) return;
    const stopped = random.chance(0.5) ? living : [random.pick(living)];
    this.process.stop(random.below(random.chance(0.5) ? STOP_MAX_MS : 200), stopped);
  }

  /** Once, or several times at once; sizes are the same in all of them: a worker may deal with all in one round. */
  private reload(): void {
    const { random } = this.world;
    const { resolved, trouble } = this.scenario;
    const sized = resolved.pools.map((each) => {
      const poolSize = Math.max(1, each.poolSize - 1 + random.below(3));
      return { ...each, poolSize, minPoolSize: Math.min(each.minPoolSize, poolSize) };
    });
    for (let times = trouble.reloadsAtOnce; times > 0; times--) {
      const pools = sized
        .filter(() => !random.chance(trouble.removals))
        .map((each) => {
          const serverHost = random.chance(1 - trouble.otherHosts) ? 'one' : 'another';
          return { ...each, serverHost, address: { kind: 'tcp', host: serverHost, port: 5432 } as const };
        });
      this.process.configure(pools);
    }
  }

  private pause(): void {
    const database = this.someDatabase();
    this.process.administer('pause', database);
    this.world.after(this.world.random.below(PAUSE_MAX_MS), () => {
      // One at least must go on for good.
      this.process.administer('resume', this.isQuiet ? null : database);
    });
  }

  private kill(): void {
    const { random } = this.world;
    const clients = [...this.process.living()].flatMap(({ plane }) => [...plane.allClients()]);
    if (clients.length > 0 && random.chance(0.7)) return this.process.killClient(random.pick(clients).id);
    const database = this.someDatabase();
    this.process.administer('kill', database);
    this.world.after(random.below(PAUSE_MAX_MS), () => this.process.administer('resume', database));
  }

  private someDatabase(): string | null {
    const { random } = this.world;
    return random.chance(0.3) ? null : random.pick(this.scenario.resolved.pools).database;
  }

  /** Clients move at any time, not only when workers have drifted apart. */
  private moveSomebody(): void {
    const { random } = this.world;
    const [from, to] = [random.pick(this.process.workers), random.pick(this.process.workers)];
    const clients = [...from.plane.allClients()];
    const client = clients.length > 0 ? random.pick(clients) : null;
    if (from !== to && !from.isDead && client?.mayMove === true && client.socket.unsent === 0) {
      const canReach = from.plane.peers.has(to.index) && client.socket.receiver === client;
      if (canReach && !from.plane.isShuttingDown) {
        this.world.tell(() => `client ${client.id} is to move from worker ${from.index} to ${to.index}`);
        client.moveTo(to.index);
        this.moves++;
        from.reactor.wake();
      }
    }
    const pauseMs = this.scenario.trouble.hasManyMoves ? 4 : 40;
    if (!this.isQuiet) this.world.after(random.below(pauseMs), () => this.moveSomebody());
  }

  /** Nothing new is begun, and nothing goes wrong any more. */
  private calmDown(): void {
    this.isQuiet = true;
    this.postgres.luck = NO_BAD_LUCK;
    this.process.configure(this.scenario.resolved.pools);
    this.process.administer('resume', null);
  }

  /** In the middle of everything, or when all is calm. */
  private shutDownSoon(): void {
    const { random } = this.world;
    if (random.chance(0.3)) this.calmDown();
    else {
      this.reload();
      for (let i = 0; i < COME_LAST; i++) this.invite();
      this.isQuiet = true;
    }
    this.world.after(random.below(SHUTDOWN_SOON_MS), () => this.shutDown());
  }

  private shutDown(): void {
    this.isShutDown = true;
    this.world.tell(() => 'SHUTDOWN');
    this.process.shutDown(SHUTDOWN_MS);
  }

  // ── what must hold ─────────────────────────────────────────────────────────────────────────────────────────────

  private check(): void {
    if (this.world.steps % CHECK_EVERY === 0) this.clientsLeft();
    for (const process of this.processes) {
      for (const worker of process.workers) {
        if (!worker.reactor.hasRun() || worker.isDead) continue;
        this.invariants.checkWorker(worker.plane, worker.reactor);
        if (process === this.process) this.invariants.checkProcess(process, this.isUpgrading);
        const old = this.processes.at(-2);
        if (old !== undefined && !old.hasEnded) this.invariants.checkBoth(old, this.process);
      }
      if (process.hasEnded && process !== this.process)
        this.processes = this.processes.filter((each) => each !== process);
    }
  }

  private get isAnythingUnderway(): boolean {
    return this.isShutDown || this.isUpgrading || this.process.board.clients > 0 || this.process.isSettling;
  }

  /** Time goes by, and nobody is there. */
  private settle(): void {
    const settled = this.world.nowMs + SETTLES_MS;
    while (this.world.nextMs < settled) this.world.step();
  }

  /** Clients have gone: what they used has been given back. */
  private checkNothingIsLeft(): void {
    if (this.kernel.connectionsUnderway > 0) throw new Broken('a connection is lost between two workers');
    for (const { plane, reactor } of this.process.living()) this.invariants.checkQuiet(plane, reactor);
    this.invariants.checkQuietProcess(this.process);
    const servers = this.invariants.serversOf(this.process);
    if (this.postgres.backends.size !== servers)
      throw new Broken(`PostgreSQL has ${this.postgres.backends.size} sessions for ${servers} servers`);
    this.process.shutDown(SHUTDOWN_MS);
    this.settle();
  }

  /** The process has been told to end. */
  private checkEndOfAll(): void {
    if (!this.process.hasEnded) throw new Broken(`the process does not end\n${this.whoIsStuck()}`);
    if (this.postgres.backends.size > 0)
      throw new Broken(`${this.postgres.backends.size} sessions of PostgreSQL are left behind`);
    for (const { reactor } of this.process.living()) {
      const { sockets } = reactor.usage();
      if (sockets > 0) throw new Broken(`${sockets} sockets are left behind`);
    }
  }

  private whoIsStuck(): string {
    const clients = [...this.clients].map((each) => `client ${each.number} waits for ${each.waitsFor}`);
    const servers = [...this.process.living()].flatMap(({ index, plane }) =>
      [...plane.allPools()].flatMap((pool) =>
        [...pool.servers].map(
          (each) =>
            `worker ${index}, server ${each.id}: ${JSON.stringify(each.snapshot())} owes ${each.queue.packed.toString(16)}`,
        ),
      ),
    );
    return [
      'nothing happens any more',
      ...clients,
      `${this.process.board.clients} clients are counted`,
      ...servers,
    ].join('\n');
  }
}
