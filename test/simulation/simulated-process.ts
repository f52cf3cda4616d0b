/** A process of the simulation: its workers, and as much of a control plane as they need. Workers die and are replaced,
 *  pools come and go, administrators pause and kill, another process takes over. Time passes between all of them. */
import { Pools } from '../../src/control/pools.js';
import { Counter, Counters } from '../../src/pooler/counters.js';
import type { PassageToControl } from '../../src/pooler/passage-messages.js';
import type { Pool } from '../../src/pooler/pool.js';
import type { PoolSettings } from '../../src/pooler/settings.js';
import {
  counterRow,
  type PoolCommand,
  type SharedState,
  sharedState,
  type ToControl,
  type ToWorker,
} from '../../src/pooler/thread-messages.js';
import { WorkerBoard } from '../../src/pooler/worker-board.js';
import type { CancelKey } from '../../src/wire/startup.js';
import type { BackendHost } from './backend-host.js';
import type { End } from './network.js';
import type { Scenario } from './scenario.js';
import { type SimulatedKernel, SimulatedReactor } from './simulated-reactor.js';
import { SimulatedWorker } from './simulated-worker.js';
import { LISTENING, startOfWorker } from './worker-start.js';
import type { World } from './world.js';

/** A worker that has died is replaced after this. */
const REPLACE_MS = 100;

export interface Surroundings {
  readonly world: World;
  readonly kernel: SimulatedKernel;
  readonly scenario: Scenario;
  readonly postgres: BackendHost;
  /** A connection has come to the listening socket. */
  connects(end: End): void;
  /** A worker of this process has something to say to the process that takes its place. */
  departs(from: SimulatedProcess, message: PassageToControl): void;
}

/** A process that is being replaced, as the other sees it. */
export interface Departing {
  readonly lastIds: readonly [number, number];
  /** Clients that it still has may be cancelled by whoever connects to the new one. */
  cancel(key: CancelKey, answered: () => void): void;
}

type Travelling = Extract<PassageToControl, { type: 'clientGoes' | 'loginGoes' }>;

export class SimulatedProcess {
  readonly shared: SharedState;
  readonly pools: Pools;
  readonly workers: SimulatedWorker[] = [];
  private readonly world: World;
  private readonly around: Surroundings;
  private readonly settings: Scenario['resolved']['settings'];
  /** Connections that nobody has accepted yet. */
  private readonly backlog: End[] = [];
  private readonly mourners = new Map<SimulatedWorker, Set<SimulatedWorker>>();
  private readonly drained = new Set<SimulatedWorker>();
  private isEnding = false;
  private isAccepting: boolean;
  hasEnded = false;
  deaths = 0;
  /** The process whose place this one takes, until it has ended. */
  private predecessor: Departing | null;

  constructor(around: Surroundings, predecessor: Departing | null) {
    this.around = around;
    this.predecessor = predecessor;
    this.isAccepting = predecessor === null;
    this.world = around.world;
    const { settings, pools } = around.scenario.resolved;
    this.settings = settings;
    this.shared = sharedState(settings.workerThreads);
    this.pools = new Pools(this.shared, settings.workerThreads, this, pools, predecessor !== null);
    if (predecessor !== null) this.board.lastIds = predecessor.lastIds;
    for (let index = 0; index < settings.workerThreads; index++) this.start(index);
  }

  /** A client connects. */
  take(end: End): void {
    if (this.hasEnded) return end.close(true);
    if (!this.isAccepting || this.workers[0]?.reactor.take(end) !== true) this.backlog.push(end);
  }

  get board(): WorkerBoard {
    return new WorkerBoard(this.shared.board, 0);
  }

  *living(): Iterable<SimulatedWorker> {
    for (const each of this.workers) if (!each.isDead) yield each;
  }

  /** All that there are of one pool. */
  *poolsOf(number: number): Iterable<Pool> {
    for (const { plane } of this.living()) {
      const pool = plane.poolAt(number);
      if (pool !== null) yield pool;
    }
  }

  get handOvers(): number {
    const { workerThreads } = this.settings;
    let sum = 0;
    for (const [pool] of this.pools.all()) {
      for (let worker = 0; worker < workerThreads; worker++)
        sum += new Counters(this.shared.counters, counterRow(worker, pool)).get(Counter.HandOvers);
    }
    return sum;
  }

  /** Whether something is underway that only time brings to its end. */
  get isSettling(): boolean {
    return this.mourners.size > 0 || this.workers.some(({ isDead }) => isDead);
  }

  // ── the control plane's work ───────────────────────────────────────────────────────────────────────────────────

  postToAll(message: ToWorker): void {
    for (const each of this.living()) each.post(message);
  }

  *alive(): Iterable<number> {
    for (const { index } of this.living()) yield index;
  }

  /** What it does every retain_connections_time. */
  retain(): void {
    const { retainConnectionsMax } = this.settings;
    let quota = retainConnectionsMax === 0 ? Number.POSITIVE_INFINITY : retainConnectionsMax;
    for (const worker of this.living()) {
      for (const pool of worker.plane.allPools()) {
        for (const { id } of pool.expired()) {
          if (quota-- > 0) worker.post({ type: 'closeExpired', pool: pool.index, server: id });
        }
      }
    }
    this.fill();
  }

  /** Until there are min_pool_size servers. */
  fill(): void {
    const living = [...this.living()];
    for (const [pool, { minPoolSize }] of this.pools.all()) {
      if (minPoolSize > 0) living[pool % living.length]?.post({ type: 'fill', pool });
    }
  }

  administer(command: PoolCommand, database: string | null): void {
    this.postToAll({ type: 'administer', request: 0, command, database });
  }

  killClient(client: number): void {
    this.postToAll({ type: 'killClient', request: 0, client });
  }

  /** RELOAD. */
  configure(configured: readonly PoolSettings[]): void {
    this.postToAll({ type: 'settings', settings: this.settings, tlsChanged: false });
    this.pools.configure(configured);
    this.fill();
  }

  /** Its thread ends, and nobody is told. */
  kill(worker: SimulatedWorker): void {
    this.world.tell(() => `worker ${worker.index} dies`);
    this.backlog.push(...worker.die());
    this.deaths++;
    this.world.after(this.world.random.below(5), () => this.died(worker));
  }

  /** SIGSTOP and SIGCONT, or a machine that has other things to do; for one worker or all. */
  stop(milliseconds: number, stopped: Iterable<SimulatedWorker>): void {
    const { world } = this;
    world.stoppedMs += milliseconds;
    world.stoppedUntilMs = Math.max(world.stoppedUntilMs, world.nowMs + milliseconds);
    for (const { index, reactor } of stopped) {
      world.tell(() => `worker ${index} is stopped for ${milliseconds} ms`);
      reactor.holdUp(milliseconds);
    }
  }

  /** Everybody finishes, and then the process ends. */
  shutDown(graceMs: number): void {
    this.isEnding = true;
    this.postToAll({ type: 'shutdown', graceMs });
    this.mayHaveEnded();
  }

  // ── another process takes its place ────────────────────────────────────────────────────────────────────────────

  /** Everybody leaves for the other. */
  depart(graceMs: number): void {
    this.isEnding = true;
    this.postToAll({ type: 'depart', graceMs });
  }

  /** From now on clients come in here. */
  accept(): void {
    this.isAccepting = true;
    this.workers[0]?.post({ type: 'accept', listening: LISTENING });
  }

  /** A client of the other process: it is this one's from now on. */
  welcome(travelling: Travelling): void {
    const { board } = this;
    const { detached } = travelling;
    const living = [...this.living()];
    const site = living.find(({ index }) => index === board.nextServing) ?? living[0];
    if (site === undefined) return this.around.kernel.close(detached.fd);
    const isTooMany = false;
    board.clientComes(site.index);
    this.around.kernel.give(detached.fd, site.reactor);
    if (travelling.type === 'clientGoes')
      return site.post({ type: 'clientArrives', detached, client: travelling.client });
    const { unread, proven } = travelling;
    site.post({ type: 'loginArrives', detached, unread, proven, isTooMany });
  }

  predecessorEnded(): void {
    this.predecessor = null;
    this.postToAll({ type: 'predecessorEnded' });
    this.fill();
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────────────────────────────

  private start(index: number): void {
    const { world, kernel, postgres } = this.around;
    const reactor = new SimulatedReactor(world, (address) => () => postgres.accept(address), kernel);
    const start = {
      ...startOfWorker(this.settings, this.pools.starts(), this.shared, index),
      hasPredecessor: this.predecessor !== null,
      ...(this.isAccepting ? {} : { listening: null }),
    };
    const worker = new SimulatedWorker(world, start, reactor, (message) => this.onMessage(worker, message));
    const others = [...this.living()];
    this.workers[index] = worker;
    reactor.onListening = () => this.takeBacklog();
    reactor.onUnaccepted = (end) => this.around.connects(end);
    for (const other of others) {
      worker.meet(other);
      other.meet(worker);
    }
    worker.plane.begin();
  }

  private takeBacklog(): void {
    for (const end of this.backlog.splice(0)) this.take(end);
  }

  private onMessage(worker: SimulatedWorker, message: ToControl): void {
    switch (message.type) {
      case 'log':
        return this.world.tell(() => `pooler ${worker.index}, ${message.level}: ${message.text}`);
      case 'poolClosed':
        return this.pools.closed(worker.index, message.pool, message.request);
      case 'peerForgotten':
        return this.forgot(worker, message.worker);
      case 'findUser':
        return worker.post({ type: 'userFound', request: message.request, answer: { kind: 'none' } });
      case 'departing':
      case 'clientGoes':
      case 'loginGoes':
      case 'poolFacts':
      case 'cancelEnded':
        return this.around.departs(this, message);
      case 'cancelElsewhere': {
        const { request, key } = message;
        const answered = (): void => worker.post({ type: 'cancelAnswered', request });
        return this.predecessor === null ? answered() : this.predecessor.cancel(key, answered);
      }
      case 'stopped':
        // Its thread returns when the round is over.
        return this.world.after(0, () => this.stopped(worker));
      case 'drained':
        return this.isDrained(worker);
      default:
    }
  }

  /** When nobody has a client any more, all of them stop. */
  private isDrained(worker: SimulatedWorker): void {
    this.drained.add(worker);
    if ([...this.living()].every((each) => this.drained.has(each))) this.postToAll({ type: 'stop' });
  }

  /** Its thread has returned; the process ends with the last one, and the kernel closes what is left. */
  private stopped(worker: SimulatedWorker): void {
    worker.die();
    this.mayHaveEnded();
  }

  private mayHaveEnded(): void {
    if (!this.isEnding || [...this.living()].length > 0) return;
    this.hasEnded = true;
    for (const each of this.backlog.splice(0)) this.around.connects(each);
    for (const { reactor } of this.workers) this.around.kernel.closeAll(reactor);
  }

  private died(worker: SimulatedWorker): void {
    new WorkerBoard(this.shared.board, worker.index).setAlive(worker.index, false);
    this.pools.forgetCounts(worker.index);
    const others = new Set(this.living());
    this.mourners.set(worker, others);
    for (const mourners of this.mourners.values()) mourners.delete(worker);
    this.postToAll({ type: 'peerDied', worker: worker.index });
    this.mayHaveEnded();
    for (const [each, mourners] of [...this.mourners]) if (mourners.size === 0) this.bury(each);
  }

  private forgot(by: SimulatedWorker, index: number): void {
    for (const [worker, mourners] of this.mourners) {
      if (worker.index === index && mourners.delete(by) && mourners.size === 0) this.bury(worker);
    }
  }

  private bury(worker: SimulatedWorker): void {
    this.mourners.delete(worker);
    this.around.kernel.closeAll(worker.reactor);
    new WorkerBoard(this.shared.board, worker.index).forget(worker.index);
    this.pools.forget(worker.index);
    this.world.after(REPLACE_MS, () => {
      if (!this.isEnding) this.start(worker.index);
    });
  }
}
