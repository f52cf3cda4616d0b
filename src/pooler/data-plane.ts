/** What one worker has: its reactor, its pools and the clients that are connected to it. Not for: what any of them does,
 *  how clients come in (reception.ts), what others say to the worker (inbox.ts). */
import { errnoName } from '../reactor/libc.js';
import { TlsError } from '../reactor/openssl.js';
import type { DetachedSocket, Reactor, Socket, SocketOptions } from '../reactor/reactor.js';
import { nobody } from '../reactor/stream-socket.js';
import { int32At } from '../wire/bytes.js';
import { type ClientFacingError, PoolRemoved, ShuttingDown } from '../wire/client-facing-error.js';
import { errorResponse } from '../wire/error-response.js';
import type { ScramKeys } from '../wire/scram-verifier.js';
import { PROTOCOL_MINOR } from '../wire/startup.js';
import { AccessRules } from './access.js';
import type { AdminSession } from './admin-session.js';
import { Administration } from './administration.js';
import { Balance } from './balance.js';
import { type KeySeed, RemoteCancels } from './cancel.js';
import { OpenProofs } from './client-proof.js';
import { ClientSession } from './client-session.js';
import { ClientTls } from './client-tls.js';
import { type CloseReason, isOrdinaryReason } from './close-reason.js';
import { Connection, ConnectionCounts } from './connection-counts.js';
import { Ending } from './ending.js';
import { FailedLogins } from './failed-logins.js';
import type { ClientRecord, ServerRecord } from './hand-over.js';
import { Inbox } from './inbox.js';
import { KnownStartups } from './known-startups.js';
import type { LogFields } from './log-fields.js';
import { MemoryBudget } from './memory-budget.js';
import { Passage } from './passage.js';
import { type PeerLink, Peers } from './peers.js';
import { PlainBatch } from './plain-batch.js';
import { Pool } from './pool.js';
import { ProtocolTrace } from './protocol-trace.js';
import { Pulse } from './pulse.js';
import { Reception } from './reception.js';
import type { ServedClient } from './served-client.js';
import type { ServerLogin } from './server-login.js';
import type { ServerSession } from './server-session.js';
import { ServerState } from './server-stream.js';
import { ServerTls } from './server-tls.js';
import type { ClientTlsSettings, DataPlaneSettings } from './settings.js';
import { SharedPool } from './shared-pool.js';
import { serverSocketOptions } from './socket-options.js';
import type { ExpiredServer, LogLevel, PoolStart, ToControl, WorkerStart } from './thread-messages.js';
import { UserLookUps } from './user-lookups.js';
import { WorkerBoard } from './worker-board.js';
import { WorkerLog } from './worker-log.js';

/** A scratch large enough for the beginning of any Bind that is rewritten. */
const SCRATCH_BYTES = 4096;

export class DataPlane {
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
  readonly reception = new Reception(this);
  readonly inbox = new Inbox(this);
  readonly pulse = new Pulse(this);
  isShuttingDown = false;
  private readonly postToControl: (message: ToControl) => void;
  readonly workerLog: WorkerLog;
  /** By number. */
  private readonly pools = new Map<number, Pool>();
  /** By database and user; without those that are being closed. */
  private readonly poolsByName = new Map<string, Pool>();
  private readonly clients = new Map<number, ServedClient>();
  private readonly admins = new Map<number, AdminSession>();
  private readonly scramRequests = new Map<number, ServerLogin>();
  logins = 0;
  private lastRequest = 0;
  /** For the batch that is being read: it holds nothing beyond that. */
  readonly plainBatch = new PlainBatch();
  private scratchBytes = new Uint8Array(SCRATCH_BYTES);
  readonly connections: ConnectionCounts;

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
    if (listening !== null) this.reception.acceptFrom(listening);
    this.pulse.begin();
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  loginBegins(): void {
    this.logins++;
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

  get clientCount(): number {
    return this.clients.size;
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
    this.pulse.exodus.came++;
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
      this.board.clientMoves(worker);
      client.pool.clientIsOf(worker);
      return this.peers.post(worker, { type: 'client', detached, record });
    }
    this.board.clientStays(worker);
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

  takeClient(record: ClientRecord, detached: DetachedSocket): void {
    const socket = this.reactor.attach(detached, nobody);
    const pool = this.poolAt(record.pool);
    if (pool === null) return this.refuse(socket, record);
    const client = ClientSession.takenOver(this, pool, socket, record);
    pool.clientArrives();
    this.clients.set(client.id, client);
    socket.receiver = client;
    if (pool.isClosing) client.poolCloses();
    else if (this.isShuttingDown && !this.passage.isDeparting) client.fail(new ShuttingDown());
    else socket.resume();
  }

  /** Its pool has been closed here, and the worker that it comes from had not heard of it yet. */
  private refuse(socket: Socket, { pool, database, user, seed, address }: ClientRecord): void {
    const removed = new PoolRemoved(database, user);
    const refusal = errorResponse(removed, 'FATAL');
    socket.send(refusal, 0, refusal.length);
    socket.closeAfterSend();
    this.sharedPool(pool).clientGoes();
    this.board.clientLeaves();
    if (!this.settings.logClientDisconnections) return;
    this.log('info', `client disconnected: ${removed.message}`, {
      client_id: seed.id,
      user,
      database,
      address,
    });
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

  setPool({ pool: index, settings }: PoolStart): void {
    const before = this.pools.get(index);
    const pool = before ?? new Pool(this, index, settings, this.start.statementKey);
    before?.change(settings);
    this.pools.set(index, pool);
    if (!settings.isDynamic) this.poolsByName.set(keyOf(settings.database, settings.user), pool);
  }

  closePool(index: number, request: number): void {
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

  changeSettings(settings: DataPlaneSettings, tlsChanged: boolean): void {
    this.settings = settings;
    this.access = new AccessRules(settings.accessRules);
    this.serverSocketOptions = serverSocketOptions(settings);
    this.checkQuery = checkQueryOf(settings);
    this.memory.limit = settings.maxMemoryUsage;
    for (const pool of this.pools.values()) pool.limitWaits();
    this.serverTls.forget();
    if (tlsChanged) this.replaceClientTls(settings.clientTls);
  }

  // ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────

  serverClosed(server: ServerSession, before: ServerState, reason: CloseReason, errno: number): void {
    this.trace?.ends(server);
    const isOrdinary = isOrdinaryReason(reason);
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

  scramKeysCame(request: number, keys: ScramKeys): void {
    const login = this.scramRequests.get(request);
    this.scramRequests.delete(request);
    login?.onScramKeys(keys);
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

  logLevelIs(level: LogLevel): void {
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

  // ── other workers ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Another worker can be reached: it is told what new servers and clients would have to find out. */
  peerCame(worker: number, link: PeerLink): void {
    this.peers.connect(worker, link);
    for (const pool of this.pools.values()) pool.introduceTo(link);
  }

  /** A server comes from another worker. */
  takeServer(pool: number, record: ServerRecord, detached: DetachedSocket): void {
    const taker = this.poolAt(pool);
    if (taker !== null) return taker.sharing.takeOver(record, detached);
    this.reactor.attach(detached, nobody).close(); // the pool has been closed here meanwhile
    this.sharedPool(pool).giveUp();
  }

  /** Also of one that this worker has nothing of any more. */
  private sharedPool(pool: number): SharedPool {
    const { shared, workers, index } = this.start;
    return new SharedPool(shared.pools, pool, workers, index);
  }

  private replaceClientTls(settings: ClientTlsSettings): void {
    try {
      this.clientTls.replace(settings);
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      this.log('error', `TLS with clients stays as it was: ${error.message}`);
    }
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends at once. */
  stop(): void {
    this.reception.close();
    this.tellClients(new ShuttingDown());
    for (const pool of this.pools.values()) pool.closeAll();
    this.trace?.stop();
    this.post({ type: 'stopped' });
    this.reactor.stop();
  }

  /** The worker ends: whoever can be told is told why. */
  tellClients(error: ClientFacingError): void {
    for (const client of [...this.clients.values()]) client.fail(error);
    for (const admin of [...this.admins.values()]) admin.endAtOnce(error);
    this.reactor.flush();
  }

  /** The servers of all pools that are due to be closed. */
  expired(): ExpiredServer[] {
    return [...this.pools.values()].flatMap((pool) =>
      pool.expired().map(({ id, createdMs }) => ({ pool: pool.index, server: id, createdMs })),
    );
  }

  /** The pool of this number, which may have gone meanwhile. */
  poolAt(index: number): Pool | null {
    return this.pools.get(index) ?? null;
  }
}

function keyOf(database: string, user: string): string {
  return `${database}\0${user}`;
}

function checkQueryOf({ poolerCheckQuery }: DataPlaneSettings): Uint8Array {
  return Buffer.from(`${poolerCheckQuery}\0`);
}
