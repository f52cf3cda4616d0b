/** The servers of one (database, user), and the clients that wait for one: first come, first served. Servers are
 *  opened as they are needed, up to pool_size. Not for: what a server does while somebody has it. */
import { SystemError } from '../reactor/libc.js';
import type { SocketAddress } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import {
  type ClientFacingError,
  LocalResourceExhausted,
  PoolExhausted,
} from '../wire/client-facing-error.js';
import type { ClientLogin } from './client-login.js';
import type { ClientSession } from './client-session.js';
import type { CloseReason } from './close-reason.js';
import { Counter, Counters } from './counters.js';
import type { DataPlane } from './data-plane.js';
import { CREATE_PAUSE_MS } from './limits.js';
import { ServerSession } from './server-session.js';
import { ServerState } from './server-stream.js';
import type { PoolSettings, ServerAddress } from './settings.js';
import { StatementCache } from './statements.js';
import type { PoolSnapshot } from './thread-messages.js';
import { msSince, ticksAt, usSince, wholeMsSince } from './ticks.js';
import { Waiters } from './waiters.js';

/** A server's lifetime differs from the setting by up to this share, so that those opened together do not all close
 *  together. */
const LIFETIME_JITTER = 0.2;
const FAILURE_LOG_MS = 1000;

export class Pool implements TimerTarget {
  readonly plane: DataPlane;
  readonly index: number;
  readonly settings: PoolSettings;
  readonly counters: Counters;
  readonly statements: StatementCache;
  readonly servers = new Set<ServerSession>();
  readonly waiters = new Waiters<ClientSession>();
  /** What a server of this pool says of itself: ParameterStatus by name. Empty until one has logged in. */
  readonly parameters = new Map<string, string>();
  /** From the first client that logged in with SCRAM; signs for us at the server. */
  clientKey: Uint8Array | null = null;
  cancelRequests = 0;
  clients = 0;
  address: SocketAddress;
  /** Idle servers, the one that came back last at the end. */
  private readonly idle: ServerSession[] = [];
  /** Logins that wait until a server has told its parameters. */
  private readonly greeters = new Set<ClientLogin>();
  private opening = 0;
  /** Idle for long, being asked whether they are alive. */
  private readonly checking = new Set<ServerSession>();
  /** Fires when the one that waits longest may have waited long enough. It is not moved when that one is served: it
   *  then fires too early, once, and is set anew. */
  private readonly waitTimer: Timer = new Timer(this);
  private readonly pauseTimer: Timer = new Timer(this);
  private isShutDown = false;
  /** The last failure to open a server that was logged. */
  private failure = { message: '', loggedMs: 0, unlogged: 0 };

  constructor(plane: DataPlane, index: number, settings: PoolSettings, statementKey: Uint8Array) {
    this.plane = plane;
    this.index = index;
    this.settings = settings;
    this.address = settings.address;
    this.counters = new Counters(plane.start.counters, index);
    this.statements = new StatementCache(plane.settings.preparedStatementsCacheSize, statementKey);
  }

  get name(): string {
    return `${this.settings.user}@${this.settings.database}`;
  }

  /** For log lines and errors. */
  get addressText(): string {
    return addressText(this.address);
  }

  get knowsParameters(): boolean {
    return this.parameters.size > 0;
  }

  /** Gives the client a server now, or has it wait. Returns whether it has one. */
  acquire(client: ClientSession): boolean {
    const server = this.waiters.isEmpty ? this.takeIdle() : null;
    if (server !== null) {
      server.link(client);
      client.gotServer(server);
      this.counters.add(Counter.Assignments, 1);
      return true;
    }
    const { reactor, settings } = this.plane;
    client.waitingSince = ticksAt(reactor.nowMs);
    this.waiters.push(client);
    if (!this.waitTimer.isSet) reactor.setTimer(this.waitTimer, settings.queryWaitTimeoutMs);
    this.grow();
    return false;
  }

  /** The client does not want a server any more. */
  leave(client: ClientSession): void {
    this.waiters.remove(client);
  }

  /** A clean server is there: for the client that has waited longest, or for later. */
  offer(server: ServerSession): void {
    if (this.isShutDown) return server.close('shutdown');
    if (this.servers.size > this.settings.poolSize) return server.close('idle_timeout');
    const client = this.waiters.shift();
    if (client === null) {
      this.idle.push(server);
      return;
    }
    this.countWait(client);
    server.link(client);
    this.counters.add(Counter.Assignments, 1);
    client.serverCame(server);
  }

  /** A server that was asked has answered that it is alive. */
  isAlive(server: ServerSession): void {
    this.checking.delete(server);
    this.offer(server);
  }

  /** A server has logged in. */
  opened(server: ServerSession): void {
    this.opening--;
    this.counters.add(Counter.ServersOpened, 1);
    this.plane.log('debug', `${server.description} opened at ${this.addressText}`);
    this.offer(server);
    const greeters = [...this.greeters];
    this.greeters.clear();
    for (const each of greeters) each.parametersCame();
    this.grow();
  }

  /** Tells the client's login when the pool knows its servers' parameters; opens a server to ask if need be. */
  wantParameters(login: ClientLogin): void {
    this.greeters.add(login);
    this.grow();
  }

  /** The login does not want them any more. */
  leaveGreeters(login: ClientLogin): void {
    this.greeters.delete(login);
  }

  /** A server could not be opened. Those who wait are told, unless others of the pool's servers may still serve them. */
  openFailed(error: ClientFacingError): void {
    this.logFailure(error.message);
    const { reactor } = this.plane;
    if (!this.pauseTimer.isSet) reactor.setTimer(this.pauseTimer, CREATE_PAUSE_MS);
    if (this.servers.size > this.opening) return;
    for (let client = this.waiters.shift(); client !== null; client = this.waiters.shift()) {
      client.noServer(error);
    }
    const greeters = [...this.greeters];
    this.greeters.clear();
    for (const each of greeters) each.noParameters(error);
  }

  /** A server has been closed, for whatever reason. */
  closed(server: ServerSession, before: ServerState, reason: CloseReason, errno: number): void {
    this.servers.delete(server);
    if (before === ServerState.Login) this.opening--;
    else this.counters.add(Counter.ServersClosed, 1);
    if (before === ServerState.Idle) remove(this.idle, server);
    this.checking.delete(server);
    this.plane.serverClosed(server, before, reason, errno);
    this.grow();
  }

  /** ParameterStatus of one of its servers. */
  parameterCame(name: string, value: string): void {
    // Later changes are of sessions; what a client is greeted with is what a fresh server says.
    if (!this.parameters.has(name)) this.parameters.set(name, value);
  }

  /** Closes idle servers that are too old or have idled too long, the oldest first, `quota` of them at most (-1: all
   *  of them). Returns how many. */
  closeExpired(quota: number): number {
    const now = this.plane.reactor.nowMs;
    const { idleTimeoutMs } = this.settings;
    const expired = this.idle
      .filter(
        (each) =>
          isTooOld(each, now) || (idleTimeoutMs > 0 && wholeMsSince(each.idleSince, now) > idleTimeoutMs),
      )
      .sort((a, b) => a.createdMs - b.createdMs);
    const chosen = quota < 0 ? expired : expired.slice(0, quota);
    for (const each of chosen) each.close(isTooOld(each, now) ? 'server_lifetime' : 'idle_timeout');
    return chosen.length;
  }

  /** The host name stands for another address now: new servers go there. */
  moveTo(host: string): void {
    if (this.address.kind === 'tcp') this.address = { ...this.address, host };
  }

  /** No new servers; idle ones close now, the others when they come back. */
  shutDown(): void {
    this.isShutDown = true;
    for (const each of [...this.idle]) each.close('shutdown');
  }

  /** Closes everything at once. */
  closeAll(): void {
    for (const each of [...this.servers]) each.close('shutdown');
  }

  onTimer(timer: Timer): void {
    if (timer === this.pauseTimer) return this.grow();
    const { reactor, settings } = this.plane;
    const limit = settings.queryWaitTimeoutMs;
    for (let first = this.waiters.first; first !== null; first = this.waiters.first) {
      if (msSince(first.waitingSince, reactor.nowMs) < limit) break;
      this.waiters.shift();
      this.countWait(first);
      first.noServer(new PoolExhausted());
    }
    const { first } = this.waiters;
    if (first !== null) reactor.setTimer(this.waitTimer, limit - msSince(first.waitingSince, reactor.nowMs));
  }

  snapshot(clientsActive: number): PoolSnapshot {
    const now = this.plane.reactor.nowMs;
    const first = this.waiters.first;
    let active = 0;
    let used = 0;
    for (const each of this.servers) {
      if (each.state === ServerState.Active) active++;
      else if (each.state === ServerState.Cleaning || each.state === ServerState.Checking) used++;
    }
    return {
      pool: this.index,
      clientsIdle: this.clients - clientsActive - this.waiters.length,
      clientsActive,
      clientsWaiting: this.waiters.length,
      cancelRequests: this.cancelRequests,
      serversActive: active,
      serversIdle: this.idle.length,
      serversUsed: used,
      serversLogin: this.opening,
      longestWaitMs: first === null ? 0 : msSince(first.waitingSince, now),
    };
  }

  /** An idle server that is fit for use, null when there is none now. One that must be asked first whether it is
   *  alive offers itself afterwards. */
  private takeIdle(): ServerSession | null {
    const now = this.plane.reactor.nowMs;
    const { serverIdleCheckTimeoutMs: checkAfter, serverRoundRobin } = this.plane.settings;
    for (;;) {
      const server = serverRoundRobin ? this.idle.shift() : this.idle.pop();
      if (server === undefined) return null;
      if (isTooOld(server, now)) {
        this.idle.push(server);
        server.close('server_lifetime');
      } else if (checkAfter > 0 && wholeMsSince(server.idleSince, now) > checkAfter) {
        this.checking.add(server);
        server.checkLiveness(this.settings.connectTimeoutMs);
        return null;
      } else return server;
    }
  }

  /** Opens as many servers as waiting clients need and limits allow. */
  private grow(): void {
    const { maxConcurrentCreates } = this.plane.settings;
    while (
      this.wanted > this.opening + this.checking.size &&
      this.servers.size < this.settings.poolSize &&
      this.opening < maxConcurrentCreates &&
      !this.pauseTimer.isSet &&
      !this.isShutDown
    ) {
      if (!this.open()) return;
    }
  }

  /** How many servers somebody is waiting for. */
  private get wanted(): number {
    return this.waiters.length + (this.greeters.size > 0 ? 1 : 0);
  }

  private open(): boolean {
    this.opening++;
    try {
      this.servers.add(new ServerSession(this, this.plane.nextServerId(), this.jitteredLifetime()));
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.opening--;
      this.openFailed(new LocalResourceExhausted(error.message));
      return false;
    }
  }

  /** One line a second at most for the same failure: with PostgreSQL down, each waiting client makes one. */
  private logFailure(message: string): void {
    const now = this.plane.reactor.nowMs;
    const { failure } = this;
    if (message === failure.message && now - failure.loggedMs < FAILURE_LOG_MS) {
      failure.unlogged++;
      return;
    }
    const more = failure.unlogged === 0 ? '' : ` (${failure.unlogged} more failures were not logged)`;
    this.plane.log('error', `cannot open a server of ${this.name}: ${message}${more}`);
    this.failure = { message, loggedMs: now, unlogged: 0 };
  }

  private jitteredLifetime(): number {
    const random = Buffer.from(this.plane.reactor.random(4)).readUInt32LE(0) / 0x1_0000_0000;
    return this.settings.serverLifetimeMs * (1 + LIFETIME_JITTER * (2 * random - 1));
  }

  private countWait(client: ClientSession): void {
    this.counters.add(Counter.WaitTime, usSince(client.waitingSince, this.plane.reactor.nowMs));
  }
}

function isTooOld(server: ServerSession, now: number): boolean {
  return server.expiresAtS > 0 && now > server.expiresAtS * 1000;
}

function remove(servers: ServerSession[], server: ServerSession): void {
  const at = servers.indexOf(server);
  if (at >= 0) servers.splice(at, 1);
}

/** host:port or the path of the socket. */
function addressText(address: ServerAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}
