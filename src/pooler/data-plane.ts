/** What one worker has: its reactor, its pools, the clients that are connected to it, and its ear for the control
 *  plane. Not for: what any of them does. */

import { errnoName } from '../reactor/libc.js';
import { TlsError } from '../reactor/openssl.js';
import type {
  Acceptor,
  DetachedSocket,
  Listener,
  ListeningSocket,
  Reactor,
  Receiver,
  Socket,
  SocketOptions,
} from '../reactor/reactor.js';
import { nobody } from '../reactor/stream-socket.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { int32At } from '../wire/bytes.js';
import { type ClientFacingError, ShuttingDown } from '../wire/client-facing-error.js';
import { PROTOCOL_MINOR } from '../wire/startup.js';
import { AccessRules } from './access.js';
import type { AdminSession } from './admin-session.js';
import { Administration } from './administration.js';
import { Balance } from './balance.js';
import { cancelHere, type KeySeed, RemoteCancels } from './cancel.js';
import { ClientLogin } from './client-login.js';
import { OpenProofs } from './client-proof.js';
import { ClientSession } from './client-session.js';
import { ClientTls } from './client-tls.js';
import type { CloseReason } from './close-reason.js';
import { Connection, ConnectionCounts } from './connection-counts.js';
import { Counter } from './counters.js';
import { Ending } from './ending.js';
import { FailedLogins } from './failed-logins.js';
import type { ClientRecord } from './hand-over.js';
import { KnownStartups } from './known-startups.js';
import type { LogFields } from './log-fields.js';
import { MemoryBudget } from './memory-budget.js';
import { Passage } from './passage.js';
import { type PeerLink, Peers, type ToPeer } from './peers.js';
import { Pool } from './pool.js';
import { ProtocolTrace } from './protocol-trace.js';
import type { ServedClient } from './served-client.js';
import type { ServerLogin } from './server-login.js';
import type { ServerSession } from './server-session.js';
import { ServerState } from './server-stream.js';
import { ServerTls } from './server-tls.js';
import type { ClientTlsSettings, DataPlaneSettings } from './settings.js';
import type {
  ExpiredServer,
  LogLevel,
  PoolStart,
  ToControl,
  ToWorker,
  WorkerSnapshot,
  WorkerStart,
} from './thread-messages.js';
import { UserLookUps } from './user-lookups.js';
import { WorkerBoard } from './worker-board.js';
import { WorkerLog } from './worker-log.js';

/** A scratch large enough for the beginning of any Bind that is rewritten. */
const SCRATCH_BYTES = 4096;
const SECOND_MS = 1000;
/** So many clients at a time leave enough behind to be worth a collection, once no more than a few come in a second: it
 *  also has V8 compile anew what was made for objects of which none was left. */
const MANY_CLIENTS = 1000;
const FEW_CLIENTS = 10;

export class DataPlane implements Acceptor, TimerTarget {
  readonly start: WorkerStart;
  settings: DataPlaneSettings;
  readonly reactor: Reactor;
  access: AccessRules;
  serverSocketOptions: SocketOptions;
  /** What pooler_check_query looks like in a Query. */
  checkQuery: Uint8Array;
  readonly board: WorkerBoard;
  readonly peers = new Peers();
  readonly memory: MemoryBudget;
  readonly cancels: RemoteCancels;
  readonly balance: Balance;
  readonly passage: Passage;
  readonly clientTls: ClientTls;
  readonly serverTls = new ServerTls();
  readonly startups = new KnownStartups();
  readonly lookUps = new UserLookUps(this);
  readonly proofs: OpenProofs;
  readonly administration = new Administration(this);
  /** null but for log level debug. */
  trace: ProtocolTrace | null = null;
  readonly failedLogins: FailedLogins;
  readonly ending = new Ending(this);
  isShuttingDown = false;
  /** Called every second. */
  onSecond: () => void = () => undefined;
  /** Many clients have left and few are there: a good moment to give memory back. */
  onManyLeft: () => void = () => undefined;
  /** Most that a second has ended with since the last such moment. */
  private clientsMost = 0;
  private clientsCome = 0;
  private readonly postToControl: (message: ToControl) => void;
  private readonly workerLog: WorkerLog;
  /** By number. */
  private readonly pools = new Map<number, Pool>();
  /** By database and user; without those that are being closed. */
  private readonly poolsByName = new Map<string, Pool>();
  private readonly clients = new Map<number, ServedClient>();
  private readonly admins = new Map<number, AdminSession>();
  private readonly scramRequests = new Map<number, ServerLogin>();
  private readonly secondTimer: Timer = new Timer(this);
  private listener: Listener | null = null;
  logins = 0;
  private lastRequest = 0;
  private assignmentsBefore = 0;
  private cpuBeforeMs = 0;
  private countedMs = 0;
  private scratchBytes = new Uint8Array(SCRATCH_BYTES);
  private readonly connections: ConnectionCounts;

  constructor(start: WorkerStart, reactor: Reactor, post: (message: ToControl) => void) {
    const { settings } = start;
    this.start = start;
    this.settings = settings;
    this.reactor = reactor;
    reactor.setClockResolution(settings.clockResolutionMs);
    this.postToControl = post;
    this.workerLog = new WorkerLog(start.logLevel, post);
    this.logLevelIs(start.logLevel);
    this.board = new WorkerBoard(start.shared.board, start.index, settings.workerFillPercent);
    this.connections = new ConnectionCounts(start.shared.connections, start.index);
    this.memory = new MemoryBudget(this.board, settings.maxMemoryUsage);
    this.cancels = new RemoteCancels(this);
    this.balance = new Balance(this);
    this.passage = new Passage(this);
    this.clientTls = new ClientTls(reactor, settings.clientTls);
    this.proofs = new OpenProofs(reactor, post);
    this.failedLogins = new FailedLogins(reactor);
    this.access = new AccessRules(settings.accessRules);
    this.serverSocketOptions = serverSocketOptions(settings);
    this.checkQuery = checkQueryOf(settings);
    for (const each of start.pools) this.setPool(each);
  }

  /** Begins to serve clients: those that connect, or that another worker sends. */
  begin(): void {
    const { listening, index } = this.start;
    this.board.setAlive(index, true);
    if (listening !== null) this.acceptFrom(listening);
    this.cpuBeforeMs = this.reactor.cpuMs();
    this.countedMs = this.reactor.nowMs;
    this.reactor.setTimer(this.secondTimer, SECOND_MS);
  }

  acceptFrom(listening: ListeningSocket): void {
    this.listener = this.reactor.acceptFrom(listening, this);
  }

  /** Another process goes on with the listening socket. */
  stopAccepting(): void {
    this.listener?.release();
    this.listener = null;
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  onAccept(socket: Socket): Receiver {
    this.connections.add(Connection.Total);
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

  /** `unread`: what it has sent already. */
  takeNewClient(detached: DetachedSocket, isTooMany: boolean, unread?: Uint8Array): void {
    const socket = this.reactor.attach(detached, nobody);
    socket.receiver = this.welcome(socket, isTooMany);
    if (unread !== undefined) socket.unread(unread, 0, unread.length);
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
    this.connections.add(Connection.Errors);
  }

  /** A connection turns out to be this. */
  countKind(kind: Connection.Tls | Connection.Plain | Connection.Cancel): void {
    this.connections.add(kind);
  }

  findPool(database: string, user: string): Pool | null {
    const pool = this.poolsByName.get(keyOf(database, user));
    return pool?.shared.isOpen === true ? pool : null;
  }

  /** The client that was greeted with this process id. */
  findClient(id: number): ServedClient | null {
    return this.clients.get(id) ?? null;
  }

  /** The client of the console that was greeted with this process id. */
  findAdmin(id: number): AdminSession | null {
    return this.admins.get(id) ?? null;
  }

  allClients(): Iterable<ServedClient> {
    return this.clients.values();
  }

  allAdmins(): Iterable<AdminSession> {
    return this.admins.values();
  }

  allPools(): Iterable<Pool> {
    return this.pools.values();
  }

  /** For the key of a new client: a number that no client has now, and chance. */
  newKeySeed(protocolMinor: number): KeySeed {
    let id = this.board.nextClientId();
    while (this.clients.has(id) || this.admins.has(id)) id = this.board.nextClientId();
    return {
      id,
      random: int32At(this.reactor.random(4), 0),
      isLong: protocolMinor >= PROTOCOL_MINOR,
    };
  }

  clientBegins(client: ServedClient): void {
    this.clients.set(client.id, client);
    this.clientsCome++;
  }

  clientEnded(client: ServedClient, why: string): void {
    this.clients.delete(client.id);
    this.board.clientLeaves();
    this.trace?.ends(client);
    if (!this.settings.logClientDisconnections) return;
    const { queries, transactions, errors } = client;
    const fields = { ...client.logFields, queries, transactions, errors };
    this.log('info', `client disconnected: ${why}`, {
      ...fields,
      duration_ms: this.msSince(client.connectedMs),
    });
  }

  /** The client has left for another worker, or comes back when that has died meanwhile. */
  clientMoved(client: ServedClient, worker: number, detached: DetachedSocket): void {
    const record = client.record();
    this.clients.delete(client.id);
    this.trace?.ends(client);
    if (this.peers.has(worker)) {
      this.peers.post(worker, { type: 'client', detached, record });
      return client.pool.clientIsOf(worker);
    }
    this.board.clientReturns(worker);
    this.takeClient(record, detached);
  }

  /** One that another process had. */
  clientArrived(client: ServedClient): void {
    this.clients.set(client.id, client);
  }

  /** … that another process has from now on. */
  clientGone(client: ServedClient): void {
    this.clients.delete(client.id);
    this.passage.forget(client);
    this.board.clientLeaves();
  }

  private takeClient(record: ClientRecord, detached: DetachedSocket): void {
    const socket = this.reactor.attach(detached, nobody);
    const pool = this.poolAt(record.pool);
    if (pool === null) {
      this.board.clientLeaves();
      return socket.close();
    }
    const client = ClientSession.takenOver(this, pool, socket, record);
    pool.clientArrives();
    this.clients.set(client.id, client);
    socket.receiver = client;
    if (pool.isClosing) client.poolCloses();
    else if (this.isShuttingDown && !this.passage.isDeparting) client.fail(new ShuttingDown());
    else socket.resume();
  }

  adminBegins(admin: AdminSession, how: LogFields): void {
    this.admins.set(admin.id, admin);
    this.log('info', 'admin connected to the console', { ...admin.logFields, ...how });
  }

  adminEnded(admin: AdminSession): void {
    this.admins.delete(admin.id);
    this.post({ type: 'adminEnded', client: admin.id });
    this.board.clientLeaves();
    const duration_ms = this.msSince(admin.connectedMs);
    this.log('info', 'admin disconnected from the console', { ...admin.logFields, duration_ms });
  }

  // ── pools ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private setPool({ pool: index, settings }: PoolStart): void {
    const before = this.pools.get(index);
    const pool = before ?? new Pool(this, index, settings, this.start.statementKey);
    before?.change(settings);
    this.pools.set(index, pool);
    if (!settings.isDynamic) this.poolsByName.set(keyOf(settings.database, settings.user), pool);
  }

  private closePool(index: number, request: number): void {
    const pool = this.pools.get(index);
    if (pool === undefined) return this.post({ type: 'poolClosed', pool: index, request });
    pool.beginClosing(request);
    for (const client of [...this.clients.values()]) if (client.pool === pool) client.poolCloses();
  }

  /** Nothing of it is left here. */
  poolIsClosed(pool: Pool, request: number): void {
    if (!this.pools.delete(pool.index)) return;
    const key = keyOf(pool.settings.database, pool.settings.user);
    if (this.poolsByName.get(key) === pool) this.poolsByName.delete(key);
    this.post({ type: 'poolClosed', pool: pool.index, request });
  }

  private changeSettings(settings: DataPlaneSettings, tlsChanged: boolean): void {
    this.settings = settings;
    this.access = new AccessRules(settings.accessRules);
    this.serverSocketOptions = serverSocketOptions(settings);
    this.checkQuery = checkQueryOf(settings);
    this.memory.limit = settings.maxMemoryUsage;
    this.serverTls.forget();
    if (tlsChanged) this.replaceClientTls(settings.clientTls);
  }

  // ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────

  serverClosed(server: ServerSession, before: ServerState, reason: CloseReason, errno: number): void {
    this.trace?.ends(server);
    const isOrdinary = ORDINARY.has(reason);
    if (before === ServerState.Login && !isOrdinary) return; // the pool has said why it could not be opened
    const errnoText = errno === 0 ? '' : ` (${errnoName(errno)})`;
    const { queries, transactions } = server;
    const duration_ms = this.msSince(server.createdMs);
    server.pool.log(isOrdinary ? 'info' : 'warn', `server closed: ${reason}${errnoText}`, {
      ...server.logFields,
      reason,
      queries,
      transactions,
      duration_ms,
    });
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

  /** A line of the log. `scope`: see LogLimit. */
  log(level: LogLevel, text: string, fields?: LogFields, scope?: string): void {
    this.workerLog.log(level, text, this.reactor.nowMs, fields, scope);
  }

  private logLevelIs(level: LogLevel): void {
    this.workerLog.level = level;
    if ((level === 'debug') === (this.trace !== null)) return;
    this.trace?.stop();
    this.trace =
      level === 'debug'
        ? new ProtocolTrace(this.reactor, (text, fields) => this.log('debug', text, fields))
        : null;
  }

  /** Whole milliseconds. */
  private msSince(moment: number): number {
    return Math.round(this.reactor.nowMs - moment);
  }

  post(message: ToControl): void {
    this.postToControl(message);
  }

  onMessage(message: ToWorker): void {
    switch (message.type) {
      case 'shutdown':
        return this.ending.begin(message.graceMs);
      case 'stop':
        return this.stop();
      case 'snapshot':
        return this.post({ type: 'snapshot', request: message.request, snapshot: this.snapshot() });
      case 'adminAnswer':
        return this.admins.get(message.client)?.answer(message.bytes);
      case 'administer': {
        const { request, command, database } = message;
        return this.post({ type: 'done', request, count: this.administration.run(command, database) });
      }
      case 'killClient': {
        const { request, client } = message;
        return this.post({ type: 'done', request, count: this.administration.killClient(client) });
      }
      case 'statements':
        return this.post({ ...message, statements: this.administration.statements() });
      case 'scramKeys': {
        const login = this.scramRequests.get(message.request);
        this.scramRequests.delete(message.request);
        return login?.onScramKeys(message.keys);
      }
      case 'userFound':
        return this.lookUps.answered(message.request, message.answer);
      case 'proofChecked':
        return this.proofs.answered(message.request, message.verdict);
      case 'settings':
        return this.changeSettings(message.settings, message.tlsChanged);
      case 'pool':
        return this.setPool(message);
      case 'closePool':
        return this.closePool(message.pool, message.request);
      case 'logLevel':
        return this.logLevelIs(message.level);
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
      default:
        return this.passage.onMessage(message);
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
        return this.poolAt(message.pool)?.sharing.look();
      case 'server':
        return this.poolAt(message.pool)?.sharing.takeOver(message.record, message.detached);
      case 'newClient':
        return this.takeNewClient(message.detached, message.isTooMany);
      case 'client':
        return this.takeClient(message.record, message.detached);
      case 'parameters':
        return this.poolAt(message.pool)?.greeting.toldBy(message.origin, message.parameters);
      case 'askParameters':
        return this.poolAt(message.pool)?.greeting.tell(from);
      case 'clientKey':
        return this.poolAt(message.pool)?.credentials.keyCame(message.key);
      case 'credentials':
        return this.poolAt(message.pool)?.credentials.came(message.secret, message.key);
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

  onTimer(): void {
    this.everySecond();
  }

  // ── periodic, and the end ──────────────────────────────────────────────────────────────────────────────────────

  private everySecond(): void {
    this.reactor.setTimer(this.secondTimer, SECOND_MS);
    this.workerLog.everySecond(this.reactor.nowMs);
    this.onSecond();
    let assignments = 0;
    for (const pool of this.pools.values()) {
      assignments += pool.counters.get(Counter.Assignments);
      pool.mayBeClosed();
    }
    this.board.setRate(Math.max(0, assignments - this.assignmentsBefore)); // a pool may have gone
    this.assignmentsBefore = assignments;
    const { nowMs } = this.reactor;
    const cpuMs = this.reactor.cpuMs();
    this.board.setBusy(Math.round(((cpuMs - this.cpuBeforeMs) * 1000) / Math.max(1, nowMs - this.countedMs)));
    this.cpuBeforeMs = cpuMs;
    this.countedMs = nowMs;
    this.balance.everySecond(this.clients.values());
    const isQuiet = this.clientsCome <= FEW_CLIENTS;
    this.clientsCome = 0;
    this.clientsMost = Math.max(this.clientsMost, this.clients.size);
    if (!isQuiet || this.clientsMost < MANY_CLIENTS || this.clientsMost < 4 * this.clients.size) return;
    this.clientsMost = this.clients.size;
    this.onManyLeft();
  }

  /** Ends at once. */
  stop(): void {
    this.listener?.close();
    for (const pool of this.pools.values()) pool.closeAll();
    this.trace?.stop();
    this.post({ type: 'stopped' });
    this.reactor.stop();
  }

  /** The worker ends: whoever can be told is told why. */
  tellClients(error: ClientFacingError): void {
    for (const client of [...this.clients.values()]) client.fail(error);
    this.reactor.flush();
  }

  private snapshot(): WorkerSnapshot {
    const active = new Map<Pool, { count: number; oldestMs: number }>();
    for (const { pool, isActive, transactionMs } of this.clients.values()) {
      if (!isActive) continue;
      const { count, oldestMs } = active.get(pool) ?? { count: 0, oldestMs: 0 };
      active.set(pool, { count: count + 1, oldestMs: Math.max(oldestMs, transactionMs) });
    }
    const pools = [...this.pools.values()];
    return {
      clients: [...this.clients.values()].map((client) => client.snapshot()),
      servers: pools.flatMap((pool) => [...pool.servers].map((server) => server.snapshot())),
      pools: pools.map((pool) => {
        const { count, oldestMs } = active.get(pool) ?? { count: 0, oldestMs: 0 };
        return pool.snapshot(count, oldestMs);
      }),
      waits: this.administration.waits(),
      logins: this.logins,
      connections: {
        total: this.connections.get(Connection.Total),
        errors: this.connections.get(Connection.Errors),
        tls: this.connections.get(Connection.Tls),
        plain: this.connections.get(Connection.Plain),
        cancel: this.connections.get(Connection.Cancel),
      },
    };
  }

  private expired(): ExpiredServer[] {
    return [...this.pools.values()].flatMap((pool) =>
      pool.expired().map(({ id, createdMs }) => ({ pool: pool.index, server: id, createdMs })),
    );
  }

  /** The pool of this number, which may have gone meanwhile. */
  poolAt(index: number): Pool | null {
    return this.pools.get(index) ?? null;
  }
}

/** Reasons that are part of a pool's ordinary life. */
const ORDINARY: ReadonlySet<CloseReason> = new Set([
  'idle_timeout',
  'server_lifetime',
  'shutdown',
  'cancelled',
  'client_lost',
  'pool_closed',
  'pool_shrunk',
  'reloaded',
  'killed',
  'paused',
  'reconnect',
]);

function keyOf(database: string, user: string): string {
  return `${database}\0${user}`;
}

function checkQueryOf({ poolerCheckQuery }: DataPlaneSettings): Uint8Array {
  return Buffer.from(`${poolerCheckQuery}\0`);
}

function serverSocketOptions(settings: DataPlaneSettings): SocketOptions {
  return { ...socketOptions(settings), lingerS: -1 };
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
