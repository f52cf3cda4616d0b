/** What one worker has: its reactor, its pools, the clients that are connected to it, and its ear for the control
 *  plane. Not for: what any of them does. */

import { errnoName } from '../reactor/libc.js';
import { TlsError } from '../reactor/openssl.js';
import type {
  Acceptor,
  Listener,
  Reactor,
  Receiver,
  Socket,
  SocketAddress,
  SocketOptions,
} from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { PROTOCOL_MINOR } from '../wire/startup.js';
import { AccessRules } from './access.js';
import type { AdminSession } from './admin-session.js';
import type { KeySeed } from './cancel.js';
import { ClientLogin } from './client-login.js';
import type { ClientSession } from './client-session.js';
import { ClientTls } from './client-tls.js';
import type { CloseReason } from './close-reason.js';
import { MemoryBudget } from './memory-budget.js';
import { Pool } from './pool.js';
import type { ServerLogin } from './server-login.js';
import type { ServerSession } from './server-session.js';
import { ServerState } from './server-stream.js';
import { ServerTls } from './server-tls.js';
import type { ClientTlsSettings, DataPlaneSettings } from './settings.js';
import type { LogLevel, ToControl, ToWorker, WorkerSnapshot, WorkerStart } from './thread-messages.js';

/** A scratch large enough for the beginning of any Bind that is rewritten. */
const SCRATCH_BYTES = 4096;
const CANCEL_SIGNING_KEY_BYTES = 32;
const SHUTDOWN_CHECK_MS = 250;
const CLIENT_ID_MAX = 0x7fffffff;
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
  readonly memory: MemoryBudget;
  readonly clientTls: ClientTls;
  readonly serverTls = new ServerTls();
  readonly cancelSigningKey: Uint8Array;
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
  private readonly retainTimer: Timer = new Timer(this);
  private listener: Listener | null = null;
  private logins = 0;
  private lastClientId = 0;
  private lastServerId = 0;
  private lastRequest = 0;
  private shutdownDeadlineMs = 0;
  private scratchBytes = new Uint8Array(SCRATCH_BYTES);
  private readonly connections = { total: 0, errors: 0, tls: 0, plain: 0, cancel: 0 };

  constructor(start: WorkerStart, reactor: Reactor, post: (message: ToControl) => void) {
    const { settings } = start;
    this.start = start;
    this.settings = settings;
    this.reactor = reactor;
    this.postToControl = post;
    this.memory = new MemoryBudget(settings.maxMemoryUsage);
    this.clientTls = new ClientTls(reactor, settings.clientTls);
    this.cancelSigningKey = reactor.random(CANCEL_SIGNING_KEY_BYTES);
    this.access = new AccessRules(settings.accessRules);
    this.serverSocketOptions = { ...socketOptions(settings), lingerS: -1 };
    this.checkQuery = Buffer.from(`${settings.poolerCheckQuery}\0`);
    settings.pools.forEach((pool, index) => {
      this.pools.set(keyOf(pool.database, pool.user), new Pool(this, index, pool, start.statementKey));
    });
  }

  /** Begins to take clients. Throws SystemError when the address cannot be listened on. Returns the port. */
  listen(): number {
    const { host, port, backlog } = this.settings;
    const address: SocketAddress = host.startsWith('/')
      ? { kind: 'unix', path: `${host}/.s.PGSQL.${port}` }
      : { kind: 'tcp', host, port };
    this.listener = this.reactor.listen(address, backlog, socketOptions(this.settings), this);
    this.reactor.setTimer(this.retainTimer, this.settings.retainConnectionsTimeMs);
    return this.listener.port;
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  onAccept(socket: Socket): Receiver {
    this.connections.total++;
    this.connections.plain++;
    const isTooMany = this.clients.size + this.admins.size + this.logins >= this.settings.maxConnections;
    this.logins++;
    return new ClientLogin(this, socket, isTooMany);
  }

  onAcceptFailed(errno: number): void {
    this.log('error', `cannot accept a client: ${errnoName(errno)}; trying again in a moment`);
  }

  loginEnded(): void {
    this.logins--;
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
    do this.lastClientId = this.lastClientId === CLIENT_ID_MAX ? 1 : this.lastClientId + 1;
    while (this.clients.has(this.lastClientId) || this.admins.has(this.lastClientId));
    return {
      id: this.lastClientId,
      random: Buffer.from(this.reactor.random(4)).readInt32BE(0),
      isLong: protocolMinor >= PROTOCOL_MINOR,
    };
  }

  clientBegins(client: ClientSession, peer: string): void {
    this.clients.set(client.id, client);
    if (this.settings.logClientConnections) {
      this.log(
        'info',
        `client ${client.id} ${client.pool.name} (${client.applicationName}) from ${peer} connected`,
      );
    }
  }

  clientEnded(client: ClientSession, why: string): void {
    this.clients.delete(client.id);
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

  adminBegins(admin: AdminSession): void {
    this.admins.set(admin.id, admin);
    this.log('info', `admin ${admin.user} connected to the console as client ${admin.id}`);
  }

  adminEnded(admin: AdminSession): void {
    this.admins.delete(admin.id);
  }

  // ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────

  nextServerId(): number {
    return ++this.lastServerId;
  }

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
      case 'address':
        return this.poolAt(message.pool)?.moveTo(message.host);
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
    if (timer === this.retainTimer) this.retainCycle();
    else this.checkShutdown();
  }

  // ── periodic, and the end ──────────────────────────────────────────────────────────────────────────────────────

  /** Closes servers past their time: so many a cycle over all pools, 0 is no limit. */
  private retainCycle(): void {
    const { retainConnectionsMax, retainConnectionsTimeMs } = this.settings;
    let quota = retainConnectionsMax === 0 ? -1 : retainConnectionsMax;
    for (const pool of this.pools.values()) {
      if (quota === 0) break;
      const closed = pool.closeExpired(quota);
      if (quota > 0) quota -= closed;
    }
    this.reactor.setTimer(this.retainTimer, retainConnectionsTimeMs);
    if (this.clientsLeft < MANY_CLIENTS || this.clientsLeft < 4 * this.clients.size) return;
    this.clientsLeft = 0;
    this.onManyLeft();
  }

  private shutDown(graceMs: number): void {
    if (this.isShuttingDown) return;
    this.isShuttingDown = true;
    this.shutdownDeadlineMs = this.reactor.nowMs + graceMs;
    for (const pool of this.pools.values()) pool.shutDown();
    this.checkShutdown();
  }

  private checkShutdown(): void {
    if (this.clients.size === 0 && this.logins === 0) return this.stop();
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

function socketOptions({ tcp, unixSocketBufferSize }: DataPlaneSettings): SocketOptions {
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
