/** What one worker has: its reactor, its pools, the clients that are connected to it, and its ear for the control
 *  plane. Not for: what any of them does. */

import { errnoName } from '../reactor/libc.js';
import { TlsError } from '../reactor/openssl.js';
import type {
  Acceptor,
  DetachedSocket,
  Listener,
  Reactor,
  Receiver,
  Socket,
  SocketOptions,
} from '../reactor/reactor.js';
import { nobody } from '../reactor/stream-socket.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import type { ClientFacingError } from '../wire/client-facing-error.js';
import { PROTOCOL_MINOR } from '../wire/startup.js';
import { AccessRules } from './access.js';
import type { AdminSession } from './admin-session.js';
import { Balance } from './balance.js';
import { cancelHere, type KeySeed, RemoteCancels } from './cancel.js';
import { ClientLogin } from './client-login.js';
import { ClientSession } from './client-session.js';
import { ClientTls } from './client-tls.js';
import type { CloseReason } from './close-reason.js';
import { Counter } from './counters.js';
import { FailedLogins } from './failed-logins.js';
import type { ClientRecord } from './hand-over.js';
import { MemoryBudget } from './memory-budget.js';
import { type PeerLink, Peers, type ToPeer } from './peers.js';
import { Pool } from './pool.js';
import type { ServerLogin } from './server-login.js';
import type { ServerSession } from './server-session.js';
import { ServerState } from './server-stream.js';
import { ServerTls } from './server-tls.js';
import type { ClientTlsSettings, DataPlaneSettings } from './settings.js';
import type {
  ExpiredServer,
  LogLevel,
  ToControl,
  ToWorker,
  WorkerSnapshot,
  WorkerStart,
} from './thread-messages.js';
import { WorkerBoard } from './worker-board.js';

/** A scratch large enough for the beginning of any Bind that is rewritten. */
const SCRATCH_BYTES = 4096;
const SHUTDOWN_CHECK_MS = 250;
const SECOND_MS = 1000;
/** So many clients leave enough garbage to be worth a collection. */
const MANY_CLIENTS = 1000;

export class DataPlane implements Acceptor, TimerTarget {
  readonly start: WorkerStart;
  readonly settings: DataPlaneSettings;
  readonly reactor: Reactor;
  readonly access: AccessRules;
  readonly serverSocketOptions: SocketOptions;
  /** What pooler_check_query looks like in a Query. */
  readonly checkQuery: Uint8Array;
  readonly board: WorkerBoard;
  readonly peers = new Peers();
  readonly memory: MemoryBudget;
  readonly cancels: RemoteCancels;
  readonly balance: Balance;
  readonly clientTls: ClientTls;
  readonly serverTls = new ServerTls();
  readonly failedLogins: FailedLogins;
  isShuttingDown = false;
  /** Many clients have left and few are there: a good moment to give memory back. */
  onManyLeft: () => void = () => undefined;
  private clientsLeft = 0;
  private readonly postToControl: (message: ToControl) => void;
  private readonly pools = new Map<string, Pool>();
  private readonly clients = new Map<number, ClientSession>();
  private readonly admins = new Map<number, AdminSession>();
  private readonly scramRequests = new Map<number, ServerLogin>();
  private readonly shutdownTimer: Timer = new Timer(this);
  private readonly secondTimer: Timer = new Timer(this);
  private listener: Listener | null = null;
  private logins = 0;
  private lastRequest = 0;
  private assignmentsBefore = 0;
  private cpuBeforeMs = 0;
  private countedMs = 0;
  private shutdownDeadlineMs = 0;
  private scratchBytes = new Uint8Array(SCRATCH_BYTES);
  private readonly connections = { total: 0, errors: 0, tls: 0, plain: 0, cancel: 0 };

  constructor(start: WorkerStart, reactor: Reactor, post: (message: ToControl) => void) {
    const { settings } = start;
    this.start = start;
    this.settings = settings;
    this.reactor = reactor;
    this.postToControl = post;
    this.board = new WorkerBoard(start.shared.board, start.index, settings.workerFillPercent);
    this.memory = new MemoryBudget(this.board, settings.maxMemoryUsage);
    this.cancels = new RemoteCancels(this);
    this.balance = new Balance(this);
    this.clientTls = new ClientTls(reactor, settings.clientTls);
    this.failedLogins = new FailedLogins(reactor);
    this.access = new AccessRules(settings.accessRules);
    this.serverSocketOptions = { ...socketOptions(settings), lingerS: -1 };
    this.checkQuery = Buffer.from(`${settings.poolerCheckQuery}\0`);
    settings.pools.forEach((pool, index) => {
      this.pools.set(keyOf(pool.database, pool.user), new Pool(this, index, pool, start.statementKey));
    });
  }

  /** Begins to serve clients: those that connect, or that another worker sends. */
  begin(): void {
    const { listening, index } = this.start;
    this.board.setAlive(index, true);
    if (listening !== null) this.listener = this.reactor.acceptFrom(listening, this);
    this.cpuBeforeMs = this.reactor.cpuMs();
    this.countedMs = this.reactor.nowMs;
    this.reactor.setTimer(this.secondTimer, SECOND_MS);
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  onAccept(socket: Socket): Receiver {
    this.connections.total++;
    this.connections.plain++;
    const { board, peers } = this;
    const isTooMany = board.clients >= this.settings.maxConnections;
    const worker = board.nextServing;
    if (!peers.has(worker)) {
      board.clientComes(this.start.index);
      return this.welcome(socket, isTooMany);
    }
    board.clientComes(worker);
    socket.detach({
      onDetached: (detached) => {
        if (peers.has(worker)) return peers.post(worker, { type: 'newClient', detached, isTooMany });
        board.clientReturns(worker);
        this.takeNewClient(detached, isTooMany);
      },
    });
    return nobody;
  }

  private welcome(socket: Socket, isTooMany: boolean): Receiver {
    this.logins++;
    return new ClientLogin(this, socket, isTooMany);
  }

  private takeNewClient(detached: DetachedSocket, isTooMany: boolean): void {
    const socket = this.reactor.attach(detached, nobody);
    socket.receiver = this.welcome(socket, isTooMany);
    socket.resume();
  }

  onAcceptFailed(errno: number): void {
    this.log('error', `cannot accept a client: ${errnoName(errno)}; trying again in a moment`);
  }

  /** `hasLeft`: it is no client either. */
  loginEnded(hasLeft: boolean): void {
    this.logins--;
    if (hasLeft) this.board.clientLeaves();
  }

  countRefused(): void {
    this.connections.errors++;
  }

  /** One that was counted as plain has TLS. */
  countTls(): void {
    this.connections.plain--;
    this.connections.tls++;
  }

  countCancel(): void {
    this.connections.cancel++;
  }

  findPool(database: string, user: string): Pool | null {
    return this.pools.get(keyOf(database, user)) ?? null;
  }

  /** The client that was greeted with this process id. */
  findClient(id: number): ClientSession | null {
    return this.clients.get(id) ?? null;
  }

  /** For the key of a new client: a number that no client has now, and chance. */
  newKeySeed(protocolMinor: number): KeySeed {
    let id = this.board.nextClientId();
    while (this.clients.has(id) || this.admins.has(id)) id = this.board.nextClientId();
    return {
      id,
      random: Buffer.from(this.reactor.random(4)).readInt32BE(0),
      isLong: protocolMinor >= PROTOCOL_MINOR,
    };
  }

  clientBegins(client: ClientSession, peer: string, byRule: string): void {
    this.clients.set(client.id, client);
    if (this.settings.logClientConnections) {
      this.log(
        'info',
        `client ${client.id} ${client.pool.name} (${client.applicationName}) from ${peer} connected${byRule}`,
      );
    }
  }

  clientEnded(client: ClientSession, why: string): void {
    this.clients.delete(client.id);
    this.board.clientLeaves();
    this.clientsLeft++;
    if (this.settings.logClientDisconnections) {
      const seconds = ((this.reactor.nowMs - client.connectedMs) / 1000).toFixed(1);
      const what = `${client.queries} queries in ${client.transactions} transactions`;
      this.log(
        'info',
        `client ${client.id} ${client.pool.name} disconnected after ${seconds} s, ${what}: ${why}`,
      );
    }
  }

  /** The client has left for another worker, or comes back when that has died meanwhile. */
  clientMoved(client: ClientSession, worker: number, detached: DetachedSocket): void {
    const record = client.record();
    this.clients.delete(client.id);
    if (this.peers.has(worker)) return this.peers.post(worker, { type: 'client', detached, record });
    this.board.clientReturns(worker);
    this.takeClient(record, detached);
  }

  private takeClient(record: ClientRecord, detached: DetachedSocket): void {
    const socket = this.reactor.attach(detached, nobody);
    const pool = this.poolAt(record.pool);
    if (pool === null) {
      this.board.clientLeaves();
      return socket.close();
    }
    const client = ClientSession.takenOver(this, pool, socket, record);
    this.clients.set(client.id, client);
    socket.receiver = client;
    socket.resume();
  }

  adminBegins(admin: AdminSession, peer: string, byRule: string): void {
    this.admins.set(admin.id, admin);
    this.log('info', `client ${admin.id} admin ${admin.user} from ${peer} connected to the console${byRule}`);
  }

  adminEnded(admin: AdminSession): void {
    this.admins.delete(admin.id);
    this.board.clientLeaves();
  }

  // ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────

  serverClosed(server: ServerSession, before: ServerState, reason: CloseReason, errno: number): void {
    const isOrdinary = ORDINARY.has(reason);
    if (before === ServerState.Login && !isOrdinary) return; // the pool has said why it could not be opened
    const seconds = ((this.reactor.nowMs - server.createdMs) / 1000).toFixed(1);
    const errnoText = errno === 0 ? '' : ` (${errnoName(errno)})`;
    this.log(
      isOrdinary ? 'info' : 'warn',
      `${server.description} closed after ${seconds} s and ${server.queries} queries: ${reason}${errnoText}`,
    );
  }

  /** The keys for a plain password at a server's salt: made by the control plane, since it takes milliseconds. */
  deriveScramKeys(password: string, salt: Uint8Array, iterations: number, login: ServerLogin): void {
    const request = ++this.lastRequest;
    this.scramRequests.set(request, login);
    this.post({ type: 'deriveScramKeys', request, password, salt, iterations });
  }

  /** Memory to build a message in that is sent before the next call. */
  scratch(length: number): Uint8Array {
    if (length > this.scratchBytes.length) this.scratchBytes = new Uint8Array(length);
    return this.scratchBytes;
  }

  // ── the control plane ──────────────────────────────────────────────────────────────────────────────────────────

  log(level: LogLevel, text: string): void {
    this.post({ type: 'log', level, text });
  }

  post(message: ToControl): void {
    this.postToControl(message);
  }

  onMessage(message: ToWorker): void {
    switch (message.type) {
      case 'shutdown':
        return this.shutDown(message.graceMs);
      case 'stop':
        return this.stop();
      case 'snapshot':
        return this.post({ type: 'snapshot', request: message.request, snapshot: this.snapshot() });
      case 'adminAnswer':
        return this.admins.get(message.client)?.answer(message.bytes);
      case 'scramKeys': {
        const login = this.scramRequests.get(message.request);
        this.scramRequests.delete(message.request);
        return login?.onScramKeys(message.keys);
      }
      case 'clientTls':
        return this.replaceClientTls(message.settings);
      case 'serverTls':
        this.serverTls.forget();
        for (const { pool, settings } of message.pools) this.poolAt(pool)?.reachBy(settings);
        return;
      case 'address':
        return this.poolAt(message.pool)?.moveTo(message.host);
      case 'findExpired':
        return this.post({ type: 'expired', request: message.request, servers: this.expired() });
      case 'closeExpired':
        return this.poolAt(message.pool)?.closeExpired(message.server);
      case 'fill':
        return this.poolAt(message.pool)?.fill();
      case 'peer': // whoever has its port connects it
        return;
      case 'peerDied':
        this.peers.disconnect(message.worker);
        this.cancels.giveUp();
        return this.post({ type: 'peerForgotten', worker: message.worker });
    }
  }

  // ── other workers ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Another worker can be reached: it is told what new servers and clients would have to find out. */
  peerCame(worker: number, link: PeerLink): void {
    this.peers.connect(worker, link);
    for (const pool of this.pools.values()) pool.introduceTo(link);
  }

  onPeerMessage(from: number, message: ToPeer): void {
    switch (message.type) {
      case 'look':
        return this.poolAt(message.pool)?.look();
      case 'server':
        return this.poolAt(message.pool)?.takeOver(message.record, message.detached);
      case 'newClient':
        return this.takeNewClient(message.detached, message.isTooMany);
      case 'client':
        return this.takeClient(message.record, message.detached);
      case 'parameters':
        return this.poolAt(message.pool)?.parametersCame(message.parameters);
      case 'clientKey':
        return this.poolAt(message.pool)?.clientKeyCame(message.key);
      case 'loginFailed':
        this.failedLogins.failed(message.address);
        return;
      case 'renewed':
        return this.poolAt(message.pool)?.statements.wasRenewed(message.content, message.serial);
      case 'cancel': {
        const { request } = message;
        return cancelHere(this, message.key, {
          cancelEnded: () => this.peers.post(from, { type: 'cancelEnded', request }),
        });
      }
      case 'cancelEnded':
        return this.cancels.answered(message.request);
    }
  }

  private replaceClientTls(settings: ClientTlsSettings): void {
    try {
      this.clientTls.replace(settings);
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      this.log('error', `TLS with clients stays as it was: ${error.message}`);
    }
  }

  onTimer(timer: Timer): void {
    if (timer === this.secondTimer) this.everySecond();
    else this.checkShutdown();
  }

  // ── periodic, and the end ──────────────────────────────────────────────────────────────────────────────────────

  private everySecond(): void {
    this.reactor.setTimer(this.secondTimer, SECOND_MS);
    let assignments = 0;
    for (const { counters } of this.pools.values()) assignments += counters.get(Counter.Assignments);
    this.board.setRate(assignments - this.assignmentsBefore);
    this.assignmentsBefore = assignments;
    const { nowMs } = this.reactor;
    const cpuMs = this.reactor.cpuMs();
    this.board.setBusy(Math.round(((cpuMs - this.cpuBeforeMs) * 1000) / Math.max(1, nowMs - this.countedMs)));
    this.cpuBeforeMs = cpuMs;
    this.countedMs = nowMs;
    this.balance.everySecond(this.clients.values());
    if (this.clientsLeft < MANY_CLIENTS || this.clientsLeft < 4 * this.clients.size) return;
    this.clientsLeft = 0;
    this.onManyLeft();
  }

  private shutDown(graceMs: number): void {
    if (this.isShuttingDown) return;
    this.isShuttingDown = true;
    this.board.setAlive(this.start.index, false); // for new clients
    this.shutdownDeadlineMs = this.reactor.nowMs + graceMs;
    for (const pool of this.pools.values()) pool.shutDown();
    this.checkShutdown();
  }

  private checkShutdown(): void {
    // The others may still need this worker: all stop together.
    if (this.clients.size === 0 && this.logins === 0) this.post({ type: 'drained' });
    if (this.reactor.nowMs < this.shutdownDeadlineMs) {
      this.reactor.setTimer(this.shutdownTimer, SHUTDOWN_CHECK_MS);
      return;
    }
    let active = 0;
    for (const client of this.clients.values()) if (client.isActive) active++;
    if (active > 0) this.log('error', `shutdown_timeout is over with ${active} clients in a transaction`);
    this.stop();
  }

  private stop(): void {
    this.listener?.close();
    for (const pool of this.pools.values()) pool.closeAll();
    this.post({ type: 'stopped' });
    this.reactor.stop();
  }

  /** The worker ends: whoever can be told is told why. */
  tellClients(error: ClientFacingError): void {
    for (const client of [...this.clients.values()]) client.fail(error);
    this.reactor.flush();
  }

  private snapshot(): WorkerSnapshot {
    const active = new Map<Pool, number>();
    for (const { pool, isActive } of this.clients.values()) {
      if (isActive) active.set(pool, (active.get(pool) ?? 0) + 1);
    }
    const pools = [...this.pools.values()];
    return {
      clients: [...this.clients.values()].map((client) => client.snapshot()),
      servers: pools.flatMap((pool) => [...pool.servers].map((server) => server.snapshot())),
      pools: pools.map((pool) => pool.snapshot(active.get(pool) ?? 0)),
      logins: this.logins,
      connections: { ...this.connections },
    };
  }

  private expired(): ExpiredServer[] {
    return [...this.pools.values()].flatMap((pool) =>
      pool.expired().map(({ id, createdMs }) => ({ pool: pool.index, server: id, createdMs })),
    );
  }

  private poolAt(index: number): Pool | null {
    for (const pool of this.pools.values()) if (pool.index === index) return pool;
    return null;
  }
}

/** Reasons that are part of a pool's ordinary life. */
const ORDINARY: ReadonlySet<CloseReason> = new Set([
  'idle_timeout',
  'server_lifetime',
  'shutdown',
  'cancelled',
  'client_lost',
]);

function keyOf(database: string, user: string): string {
  return `${database}\0${user}`;
}

/** What clients' connections are like. */
export function socketOptions({ tcp, unixSocketBufferSize }: DataPlaneSettings): SocketOptions {
  return {
    noDelay: tcp.noDelay,
    keepaliveCount: tcp.keepalivesCount,
    keepaliveIdleS: tcp.keepalivesIdleS,
    keepaliveIntervalS: tcp.keepalivesIntervalS,
    userTimeoutS: tcp.userTimeoutS,
    lingerS: tcp.lingerS,
    unixBufferBytes: unixSocketBufferSize,
  };
}
