/** All workers together: starts them, joins them with one another, and puts a new one in the place of one that died. */
import { randomBytes } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import { Counter, Counters } from '../pooler/counters.js';
import { PEER_MAIL_BYTES } from '../pooler/peer-mail.js';
import type { DataPlaneSettings } from '../pooler/settings.js';
import { SharedPool } from '../pooler/shared-pool.js';
import { socketOptions } from '../pooler/socket-options.js';
import {
  counterRow,
  type LogLevel,
  type SharedState,
  type StatementSnapshot,
  sharedState,
  type ToControl,
  type ToWorker,
  type WorkerSnapshot,
  type WorkerStart,
} from '../pooler/thread-messages.js';
import { WorkerBoard } from '../pooler/worker-board.js';
import { openWakeFd } from '../reactor/base-reactor.js';
import { Descriptors } from '../reactor/descriptors.js';
import { aioDestroy, allowedProcessors, close, type Fd, unmap } from '../reactor/libc.js';
import { openListening } from '../reactor/listening.js';
import { type ListeningSocket, NO_SSL, type SocketAddress } from '../reactor/reactor.js';
import { leftIn } from '../reactor/uring/ring-remains.js';
import type { Resolved } from './data-plane-settings.js';
import { mergeSnapshots } from './merge-snapshots.js';
import { type PoolHolders, Pools } from './pools.js';
import { workerShare } from './tls-settings.js';
import type { Heritage } from './upgrade/heritage.js';
import type { Parcel } from './upgrade/transfer.js';
import { VERSION } from './version.js';
import { Watchdog } from './watchdog.js';
import { WorkerHandle } from './worker-handle.js';

const STATEMENT_KEY_BYTES = 32;
const CANCEL_SIGNING_KEY_BYTES = 32;
const MOCK_KEY_BYTES = 32;
/** It accepts, and sends the others their share: who is least busy gets the next. */
const ACCEPTING_WORKER = 0;
/** One that dies again and again is not to keep the processor busy. */
const REPLACE_AFTER_MS = 1000;
/** One that cannot even start is tried after twice as long each time, up to 16 s. */
const DOUBLINGS_MAX = 4;
const LOOK_EVERY_MS = 1000;

type Ready = Extract<ToControl, { readonly type: 'ready' }>;

export interface WorkersEvents {
  /** All of them serve. `backend` and `why` as the first one says. */
  onReady(port: number, backend: string, why: string): void;
  onMessage(worker: number, message: ToControl): void;
  /** `was`: what it had and did. `hasServed`: else it could not start. */
  onDied(was: WorkerStatus, why: string, hasServed: boolean): void;
  /** It has not come round for so many seconds. */
  onSilent(is: WorkerStatus, seconds: number): void;
  /** It is being started, and is to be told what the others know. */
  onStarting(worker: WorkerHandle): void;
  /** Another one serves in its place. */
  onReplaced(worker: number): void;
  /** Connections are on their way to another process, and may have to come back. */
  readonly isHandingOver: boolean;
}

export interface WorkerStatus {
  readonly worker: number;
  readonly isAlive: boolean;
  readonly clients: number;
  readonly servers: number;
  /** Of a processor, in the last second; as the requests. */
  readonly busyPermille: number;
  readonly requestsASecond: number;
  readonly handOvers: number;
}

export class Workers implements PoolHolders {
  readonly shared: SharedState;
  readonly pools: Pools;
  private settings: DataPlaneSettings;
  private readonly events: WorkersEvents;
  private readonly listening: ListeningSocket;
  private readonly statementKey: Uint8Array;
  private readonly cancelSigningKey: Uint8Array;
  /** Whether clients are to come in here: another process may still take them. */
  private isAccepting: boolean;
  private hasPredecessor: boolean;
  private readonly mockKey = randomBytes(MOCK_KEY_BYTES);
  private readonly wakeFds = new Map<number, Fd>();
  /** What each has left in the process when it has died. */
  private readonly remains = new Map<number, Pick<Ready, 'mappings' | 'aioContexts' | 'rings'>>();
  /** How often each could not start, one time after the other. */
  private readonly failedStarts = new Map<number, number>();
  private readonly handles = new Map<number, WorkerHandle>();
  /** How many have been started at the start. */
  private begun = 0;
  private readonly ready = new Set<number>();
  /** Workers that have died, and the others that may still be posting to them. */
  private readonly mourners = new Map<number, Set<number>>();
  /** Workers that have died and been buried, and nobody has taken their place yet. */
  private readonly absent = new Set<number>();
  private readonly drained = new Set<number>();
  /** Connections of another process that came when no worker lived. */
  private readonly waiting: Parcel[] = [];
  private readonly watchdog = new Watchdog({
    onSilent: (worker, seconds) => this.events.onSilent(this.statusOf(worker), seconds),
    onStuck: (worker, seconds) => this.handles.get(worker)?.end(`it has not come round for ${seconds} s`),
  });
  private logLevel: LogLevel;
  private isEnding = false;
  /** Workers have ended their work in good order, or have been told to: there is no going on. */
  isStopping = false;
  /** How many have died since the start. */
  deaths = 0;

  /** Begins to listen, and starts the workers. `heritage`: of the process whose place this one takes; its workers accept
   *  nobody before `accept`. Throws SystemError when the address cannot be listened on, and TooManyPools. */
  constructor(
    { settings, pools: configured }: Resolved,
    logLevel: LogLevel,
    events: WorkersEvents,
    heritage: Heritage | null,
  ) {
    this.settings = settings;
    this.logLevel = logLevel;
    this.events = events;
    const { workerThreads, host, port, backlog } = settings;
    this.shared = sharedState(workerThreads);
    this.pools = new Pools(this.shared, workerThreads, this, configured, heritage !== null);
    const address: SocketAddress = host.startsWith('/')
      ? { kind: 'unix', path: `${host}/.s.PGSQL.${port}` }
      : { kind: 'tcp', host, port };
    this.statementKey = heritage?.statementKey ?? randomBytes(STATEMENT_KEY_BYTES);
    this.cancelSigningKey = heritage?.cancelSigningKey ?? randomBytes(CANCEL_SIGNING_KEY_BYTES);
    this.isAccepting = heritage === null;
    this.hasPredecessor = heritage !== null;
    if (heritage !== null) new WorkerBoard(this.shared.board, 0).lastIds = heritage.lastIds;
    this.listening =
      heritage?.listeningAt(address) ?? openListening(address, backlog, socketOptions(settings));
    this.startMore();
    setInterval(() => this.watch(), LOOK_EVERY_MS).unref();
  }

  /** Those that are started later, too. */
  setLogLevel(level: LogLevel): void {
    this.logLevel = level;
    this.postToAll({ type: 'logLevel', level });
  }

  post(worker: number, message: ToWorker): void {
    this.handles.get(worker)?.post(message);
  }

  postToAll(message: ToWorker): void {
    for (const handle of this.handles.values()) handle.post(message);
  }

  /** Other settings than the pools' are in force. `tlsChanged`: those of TLS with clients, too. */
  configure(settings: DataPlaneSettings, tlsChanged: boolean): void {
    this.settings = settings;
    this.postToAll({ type: 'settings', settings: shareOf(settings), tlsChanged });
  }

  alive(): Iterable<number> {
    return this.handles.keys();
  }

  all(): Iterable<WorkerHandle> {
    return this.handles.values();
  }

  /** What there is in all of them. */
  async snapshot(): Promise<WorkerSnapshot> {
    const snapshots = await Promise.all([...this.handles.values()].map((each) => each.snapshot()));
    return mergeSnapshots(snapshots.filter((each) => each !== null));
  }

  /** What each of them knows of prepared statements. */
  async statements(): Promise<StatementSnapshot[]> {
    return (await Promise.all([...this.handles.values()].map((each) => each.statements()))).flat();
  }

  /** What each of them has and does now. */
  status(): WorkerStatus[] {
    return Array.from({ length: this.settings.workerThreads }, (_, worker) => this.statusOf(worker));
  }

  private statusOf(worker: number): WorkerStatus {
    const { workerThreads } = this.settings;
    const board = new WorkerBoard(this.shared.board, worker);
    const servers = [...this.pools.all()].map(([pool]) =>
      new SharedPool(this.shared.pools, pool, workerThreads, worker).sizeOf(worker),
    );
    const handOvers = this.countersOf(worker).map((row) => row.get(Counter.HandOvers));
    return {
      worker,
      isAlive: board.isAlive(worker),
      clients: board.clientsOf(worker),
      busyPermille: board.busyPermille(worker),
      requestsASecond: board.rate(worker),
      servers: servers.reduce((sum, each) => sum + each, 0),
      handOvers: handOvers.reduce((sum, each) => sum + each, 0),
    };
  }

  // ── upgrade ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the process that takes this one's place goes on with. */
  heritage(): Omit<Heritage, 'listeningAt'> & { readonly listening: ListeningSocket } {
    const { statementKey, cancelSigningKey, listening } = this;
    return {
      statementKey,
      cancelSigningKey,
      listening,
      lastIds: new WorkerBoard(this.shared.board, 0).lastIds,
    };
  }

  accept(): void {
    this.isAccepting = true;
    this.post(ACCEPTING_WORKER, { type: 'accept', listening: this.listening });
  }

  predecessorEnded(): void {
    this.hasPredecessor = false;
    this.postToAll({ type: 'predecessorEnded' });
  }

  /** Nobody comes in any more, and everybody leaves for another process. */
  depart(graceMs: number): void {
    this.end();
    this.isAccepting = false;
    this.postToAll({ type: 'depart', graceMs });
  }

  /** … but the other process has failed. */
  remain(): void {
    this.isEnding = false;
    this.drained.clear();
    this.postToAll({ type: 'remain' });
    this.startMore();
    this.accept();
    for (const worker of [...this.absent]) this.replace(worker);
  }

  /** A connection comes from another process: it is from now on the worker's that has it easiest, or, when none lives,
   *  the next one's. */
  welcome(parcel: Parcel): void {
    const board = new WorkerBoard(this.shared.board, ACCEPTING_WORKER, this.settings.workerFillPercent);
    const best = board.nextServing;
    // The accepting worker is chosen where nobody is better, and may have died.
    const worker = this.handles.has(best) ? best : this.handles.keys().next().value;
    if (worker === undefined) {
      this.waiting.push(parcel);
      return;
    }
    const isTooMany = board.clients >= this.settings.maxConnections;
    board.clientComes(worker);
    const { fd, message } = parcel;
    new Descriptors(this.shared.descriptors, worker).take(fd);
    const detached = { fd, ssl: NO_SSL };
    if (message.type === 'client')
      this.post(worker, { type: 'clientArrives', detached, client: message.client });
    else {
      const { unread, proven } = message;
      this.post(worker, { type: 'loginArrives', detached, unread, proven, isTooMany });
    }
  }

  /** The process ends: nobody is replaced any more. */
  end(): void {
    this.isEnding = true;
  }

  /** No more at a time than there are processors: they would only be in each other's way, and the first one serves
   *  alone until the others come. */
  private startMore(): void {
    const together = allowedProcessors().length;
    while (!this.isEnding && this.begun < this.settings.workerThreads) {
      if (this.begun - this.ready.size >= together) return;
      this.start(this.begun++);
    }
  }

  private start(index: number): void {
    this.wakeFds.set(index, openWakeFd());
    const { settings, shared } = this;
    const { workerThreads } = settings;
    const start: WorkerStart = {
      index,
      workers: workerThreads,
      settings: shareOf(settings),
      pools: this.pools.starts(),
      shared,
      listening: index === ACCEPTING_WORKER && this.isAccepting ? this.listening : null,
      wakeFd: this.wakeFdOf(index),
      posted: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
      processor: settings.workerCpuAffinityPinning ? processorOf(index) : null,
      statementKey: this.statementKey,
      cancelSigningKey: this.cancelSigningKey,
      hasPredecessor: this.hasPredecessor,
      logLevel: this.logLevel,
      mockKey: this.mockKey,
      version: VERSION,
    };
    const handle = new WorkerHandle(start, {
      onMessage: (worker, message) => this.onMessage(worker, message),
      onDied: (worker, why) => this.onDied(worker, why),
    });
    for (const other of this.handles.values()) this.join(handle, other);
    this.handles.set(index, handle);
    this.events.onStarting(handle);
    for (const parcel of this.waiting.splice(0)) this.welcome(parcel);
  }

  private join(a: WorkerHandle, b: WorkerHandle): void {
    const { port1, port2 } = new MessageChannel();
    const toA = new SharedArrayBuffer(PEER_MAIL_BYTES);
    const toB = new SharedArrayBuffer(PEER_MAIL_BYTES);
    this.introduce(a, { worker: b.index, port: port1, incoming: toA, outgoing: toB });
    this.introduce(b, { worker: a.index, port: port2, incoming: toB, outgoing: toA });
  }

  private introduce(to: WorkerHandle, peer: Omit<ToWorker & { type: 'peer' }, 'type' | 'wakeFd'>): void {
    to.post({ type: 'peer', wakeFd: this.wakeFdOf(peer.worker), ...peer }, [peer.port]);
  }

  private wakeFdOf(worker: number): Fd {
    const fd = this.wakeFds.get(worker);
    if (fd === undefined) throw new RangeError(`there is no worker ${worker}`);
    return fd;
  }

  /** Its row of each pool. */
  private countersOf(worker: number): Counters[] {
    return [...this.pools.all()].map(
      ([pool]) => new Counters(this.shared.counters, counterRow(worker, pool)),
    );
  }

  private onMessage(worker: number, message: ToControl): void {
    if (message.type === 'ready') {
      this.remains.set(worker, message);
      return this.isReady(worker, message.backend, message.why);
    }
    if (message.type === 'peerForgotten') return this.forgot(message.worker, worker);
    if (message.type === 'drained') return this.isDrained(worker);
    if (message.type === 'poolClosed') return this.pools.closed(worker, message.pool, message.request);
    if (message.type === 'stopped') {
      this.isStopping = true;
      this.handles.delete(worker);
    }
    // One that takes another's place is tried again, see onDied.
    if (message.type === 'cannotStart' && this.hasStarted) return;
    this.events.onMessage(worker, message);
  }

  get count(): number {
    return this.handles.size;
  }

  /** The process ends, and none is left. */
  get isOver(): boolean {
    return this.isEnding && this.count === 0;
  }

  private isReady(worker: number, backend: string, why: string): void {
    const wereAll = this.hasStarted;
    this.ready.add(worker);
    this.startMore();
    if (wereAll) this.events.onReplaced(worker);
    else if (this.hasStarted) {
      this.events.onReady(this.listening.port, backend, why);
    }
  }

  /** All of them have served. */
  private get hasStarted(): boolean {
    return this.ready.size === this.settings.workerThreads;
  }

  private watch(): void {
    if (!this.hasStarted) return;
    for (const worker of this.handles.keys()) {
      this.watchdog.look(worker, new WorkerBoard(this.shared.board, worker).secondsOf(worker));
    }
  }

  /** When nobody has a client any more, all of them stop. They say it again and again. */
  private isDrained(worker: number): void {
    this.drained.add(worker);
    const isOver = [...this.handles.keys()].every((each) => this.drained.has(each));
    if (!isOver || this.events.isHandingOver) return;
    this.isStopping = true;
    this.postToAll({ type: 'stop' });
  }

  private onDied(worker: number, why: string): void {
    const was = this.statusOf(worker);
    const hasServed = this.remains.has(worker);
    this.failedStarts.set(worker, hasServed ? 0 : this.failedStartsOf(worker) + 1);
    new WorkerBoard(this.shared.board, worker).setAlive(worker, false);
    this.handles.delete(worker);
    this.watchdog.forget(worker);
    this.pools.forgetCounts(worker);
    this.deaths++;
    this.events.onDied(was, why, hasServed);
    const others = new Set(this.handles.keys());
    this.mourners.set(worker, others);
    for (const mourners of this.mourners.values()) mourners.delete(worker);
    this.postToAll({ type: 'peerDied', worker });
    // This one, when no other lives, and those that only this one still had to forget.
    for (const [each, left] of [...this.mourners]) if (left.size === 0) this.bury(each);
  }

  /** `by` will not post anything to the dead worker any more. */
  private forgot(worker: number, by: number): void {
    const mourners = this.mourners.get(worker);
    if (mourners?.delete(by) === true && mourners.size === 0) this.bury(worker);
  }

  /** Nobody has anything to do with it any more: what it had is given back, and another takes its place. */
  private bury(worker: number): void {
    this.mourners.delete(worker);
    const remains = this.remains.get(worker);
    const descriptors = new Descriptors(this.shared.descriptors, worker);
    for (const each of remains?.rings ?? []) for (const fd of leftIn(each)) descriptors.take(fd);
    for (const each of remains?.mappings ?? []) unmap(each);
    for (const each of remains?.aioContexts ?? []) aioDestroy(each);
    this.remains.delete(worker);
    descriptors.closeAll();
    close(this.wakeFdOf(worker));
    new WorkerBoard(this.shared.board, worker).forget(worker);
    this.pools.forget(worker);
    this.absent.add(worker);
    // Not unref'ed: when no worker lives nothing else keeps the process from ending.
    const doublings = Math.min(this.failedStartsOf(worker), DOUBLINGS_MAX);
    setTimeout(() => this.replace(worker), REPLACE_AFTER_MS * 2 ** doublings);
  }

  private failedStartsOf(worker: number): number {
    return this.failedStarts.get(worker) ?? 0;
  }

  private replace(worker: number): void {
    if (!this.isEnding && this.absent.delete(worker)) this.start(worker);
  }
}

/** The processor of a worker; several may have to share one. */
function processorOf(worker: number): number {
  const allowed = allowedProcessors();
  return allowed[worker % allowed.length] ?? 0;
}

/** What one worker gets. */
function shareOf(settings: DataPlaneSettings): DataPlaneSettings {
  return { ...settings, clientTls: workerShare(settings.clientTls, settings.workerThreads) };
}
