/** The servers of one (database, user) that this worker has, and the clients that wait for one here: first come, first
 *  served. Servers are opened as they are needed, up to pool_size in all workers together; those that nobody needs here
 *  go to clients that wait elsewhere. Not for: what a server does while somebody has it. */
import { isDeepStrictEqual } from 'node:util';
import type { DetachedSocket, SocketAddress } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import {
  type ClientFacingError,
  PoolExhausted,
  PoolRemoved,
  ShuttingDown,
} from '../wire/client-facing-error.js';
import type { CloseReason } from './close-reason.js';
import { Counter, Counters, Gauge, Histogram } from './counters.js';
import type { DataPlane } from './data-plane.js';
import { IdleServers } from './idle-servers.js';
import type { LogFields } from './log-fields.js';
import { NoWait } from './no-wait.js';
import type { PoolFacts } from './passage-messages.js';
import type { PeerLink } from './peers.js';
import { PoolCredentials } from './pool-credentials.js';
import { PoolGreeting } from './pool-greeting.js';
import { PoolGrowth } from './pool-growth.js';
import { PoolSharing } from './pool-sharing.js';
import type { ServedClient } from './served-client.js';
import type { ServerSession } from './server-session.js';
import { ServerState } from './server-stream.js';
import type { PoolSettings, ServerAddress } from './settings.js';
import { SharedPool } from './shared-pool.js';
import { type Serials, StatementCache } from './statements.js';
import { counterRow, type LogLevel, type PoolSnapshot } from './thread-messages.js';
import { msSince, ticksAt, ticksSince, wholeMsSince } from './ticks.js';
import { Waiters } from './waiters.js';

export class Pool implements TimerTarget, Serials {
  readonly plane: DataPlane;
  readonly index: number;
  settings: PoolSettings;
  readonly counters: Counters;
  readonly statements: StatementCache;
  /** What it has in common with the same pool in other workers. */
  readonly shared: SharedPool;
  readonly servers = new Set<ServerSession>();
  readonly waiters = new Waiters<ServedClient>();
  readonly growth: PoolGrowth;
  readonly sharing: PoolSharing;
  readonly greeting: PoolGreeting = new PoolGreeting(this);
  readonly credentials: PoolCredentials;
  cancelRequests = 0;
  address: SocketAddress;
  /** Where its servers are and what they are like: parameters are of servers of one origin. */
  origin: string;
  readonly idle: IdleServers;
  /** Idle for long, being asked whether they are alive. */
  readonly checking = new Set<ServerSession>();
  /** Fires when the one that waits longest may have waited long enough. It is not moved when that one is served: it
   *  then fires too early, once, and is set anew. */
  private readonly waitTimer: Timer = new Timer(this);
  private readonly noWait: NoWait = new NoWait(this);
  /** Servers that were opened before are not given to clients any more. The reactors' clock. */
  private validSinceMs = 0;
  private whyRenewed: CloseReason = 'reconnect';
  /** No client gets a server, and none is kept. */
  isPaused: boolean;
  isShutDown = false;
  /** The message that asked for the end of the pool, 0 when it goes on. */
  private closeRequest = 0;

  constructor(plane: DataPlane, index: number, settings: PoolSettings, statementKey: Uint8Array) {
    this.plane = plane;
    this.index = index;
    this.settings = settings;
    this.address = settings.address;
    this.origin = originText(settings);
    this.isPaused = plane.administration.isPaused(settings.database);
    this.credentials = new PoolCredentials(this);
    const { start, settings: general } = plane;
    this.counters = new Counters(start.shared.counters, counterRow(start.index, index));
    this.shared = new SharedPool(start.shared.pools, index, start.workers, start.index);
    this.idle = new IdleServers(this.shared);
    this.sharing = new PoolSharing(this);
    this.statements = new StatementCache(general.preparedStatementsCacheSize, statementKey, this);
    this.growth = new PoolGrowth(this);
  }

  get name(): string {
    return `${this.settings.user}@${this.settings.database}`;
  }

  /** A line of the log about one of its servers or clients. */
  log(level: LogLevel, text: string, fields: LogFields): void {
    this.plane.log(level, text, fields, this.name);
  }

  /** For log lines and errors. */
  get addressText(): string {
    return addressText(this.address);
  }

  // ── its own life ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Other settings are in force: clients that are there keep the mode that they have; servers that were opened with
   *  what is different now are replaced as they come back. */
  change(settings: PoolSettings): void {
    const before = this.settings;
    this.settings = settings;
    this.growth.settingsChanged();
    this.closeRequest = 0;
    this.isShutDown = this.plane.isShuttingDown;
    this.credentials.settingsChanged(before);
    if (!isDeepStrictEqual(originOf(before), originOf(settings))) {
      this.address = settings.address;
      this.origin = originText(settings);
      this.greeting.forget();
      this.renewServers('reloaded');
    }
    for (const each of this.idle.all()) if (!this.closeUnwanted(each)) break;
    this.growth.fill();
    this.growth.grow();
  }

  /** The pool is not configured any more. */
  beginClosing(request: number): void {
    this.closeRequest = request;
    const { database, user } = this.settings;
    this.greeting.giveUp(new PoolRemoved(database, user));
    this.shutDown();
    this.mayBeClosed();
  }

  get isClosing(): boolean {
    return this.closeRequest !== 0;
  }

  /** Closed it is when nothing of it is left in this worker: also looked at once a second, since another worker may
   *  have meant to send a server. */
  mayBeClosed(): void {
    if (!this.isClosing || !this.shared.isEmptyHere) return;
    this.plane.reactor.clearTimer(this.waitTimer); // or it would keep the pool in memory, as the others would
    this.noWait.stop();
    this.growth.stop();
    this.sharing.stop();
    this.plane.poolIsClosed(this, this.closeRequest);
  }

  /** Whoever needs a server waits; those that are free are closed now, the others when they come back. */
  pause(): void {
    this.isPaused = true;
    for (const each of this.idle.all()) this.closeUnwanted(each);
  }

  /** Those who wait get servers again. */
  resume(): void {
    this.isPaused = false;
    this.growth.fill();
    this.growth.grow();
  }

  /** No client gets a server that has been opened before now. */
  renewServers(why: CloseReason): void {
    this.validSinceMs = this.plane.reactor.nowMs;
    this.whyRenewed = why;
    for (const each of this.idle.all()) this.closeUnwanted(each);
  }

  /** Closes a server that is free and should not be used again. Returns whether it has. */
  private closeUnwanted(server: ServerSession): boolean {
    const reason = this.whyUnwanted(server);
    if (reason === null) return false;
    server.close(reason);
    return true;
  }

  private whyUnwanted(server: ServerSession): CloseReason | null {
    if (this.isShutDown) return this.isClosing ? 'pool_closed' : 'shutdown';
    if (this.isPaused) return 'paused';
    if (server.createdMs < this.validSinceMs) return this.whyRenewed;
    // Another worker that hears of a RELOAD later may have opened it since.
    if (server.origin !== this.origin) return 'reloaded';
    return this.shared.size > this.settings.poolSize ? 'pool_shrunk' : null;
  }

  // ── its clients ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A client has logged in. */
  clientComes(): void {
    this.clientArrives();
    this.shared.clientComes();
  }

  clientGoes(): void {
    this.clientDeparts();
    this.shared.clientGoes();
    this.mayBeClosed();
  }

  /** A client has come from another worker, or comes back. */
  clientArrives(): void {
    this.counters.change(Gauge.Clients, 1);
  }

  /** … is on its way to another worker. */
  clientDeparts(): void {
    this.counters.change(Gauge.Clients, -1);
  }

  /** … and is that one's from now on. */
  clientIsOf(worker: number): void {
    this.shared.clientMoves(worker);
    this.mayBeClosed();
  }

  // ── statements ─────────────────────────────────────────────────────────────────────────────────────────────────

  nextSerial(): number {
    return this.shared.nextSerial();
  }

  get epoch(): number {
    return this.shared.epoch;
  }

  beginEpoch(): void {
    this.shared.beginEpoch();
  }

  tellRenewed(content: Uint8Array, serial: number): void {
    this.plane.peers.postToAll({ type: 'renewed', pool: this.index, content, serial });
  }

  /** Gives the client a server now, or has it wait. Returns whether it has one. */
  acquire(client: ServedClient): boolean {
    // Each of those that wait may do so for a server that is asked whether it is alive, while others are idle.
    const server = this.waiters.length <= this.checking.size ? this.takeIdle() : null;
    if (server !== null) {
      server.link(client);
      client.gotServer(server);
      this.counters.add(Counter.Assignments, 1);
      this.counters.tookNone(Histogram.Wait);
      this.sharing.served(0);
      return true;
    }
    const { reactor, settings } = this.plane;
    client.waitingSince = ticksAt(reactor.nowMs);
    this.waiters.push(client);
    if (this.idle.length === 0) this.growth.shortageBegins(); // it may wait for one that is asked whether it is alive
    this.waitersChanged(1);
    if (settings.queryWaitTimeoutMs === 0) this.noWait.begin();
    else if (!this.waitTimer.isSet) reactor.setTimer(this.waitTimer, settings.queryWaitTimeoutMs);
    this.growth.grow();
    if (this.plane.peers.count > 0) this.sharing.hopeForOwn();
    return false;
  }

  /** The client does not want a server any more. */
  leave(client: ServedClient): void {
    if (!client.isWaiting) return;
    this.takeOut(client);
    if (this.waiters.isEmpty) this.growth.shortageEnds();
  }

  /** A clean server is there: for the client that has waited longest, here or elsewhere, or for later. */
  offer(server: ServerSession): void {
    if (this.closeUnwanted(server)) return;
    const { first } = this.waiters;
    if (first === null) return this.keep(server);
    if (this.sharing.handOver(server, first)) return;
    this.takeOut(first);
    this.countWait(first);
    server.link(first);
    this.counters.add(Counter.Assignments, 1);
    first.serverCame(server);
  }

  private keep(server: ServerSession): void {
    this.growth.shortageEnds();
    this.sharing.keep(server);
  }

  /** A server that was asked has answered that it is alive. */
  isAlive(server: ServerSession): void {
    this.checking.delete(server);
    this.offer(server);
    this.serveWaiting();
  }

  /** Whoever has waited for a server that was asked whether it is alive, and did not get it, gets another idle one. */
  private serveWaiting(): void {
    while (this.waiters.length > this.checking.size && this.idle.first !== null) {
      const server = this.takeIdle();
      if (server !== null) this.offer(server);
    }
  }

  /** A server has logged in, and has said this of its parameters. */
  opened(server: ServerSession, parameters: ReadonlyMap<string, string>): void {
    this.growth.openingEnds();
    this.counters.add(Counter.ServersOpened, 1);
    this.log('debug', 'server opened', server.logFields);
    const isCurrent = server.origin === this.origin;
    if (isCurrent) this.greeting.learn(parameters);
    this.offer(server);
    if (isCurrent) this.greeting.greet();
    this.growth.opened();
  }

  /** Opens servers, one after the other, until there are min_pool_size of them. */
  fill(): void {
    this.growth.fill();
  }

  /** A server could not be opened. Those who wait are told, unless others of the pool's servers may still serve them. */
  openFailed(error: ClientFacingError): void {
    this.counters.add(Counter.OpenFailures, 1);
    const { user, database } = this.settings;
    const { message, sqlstate } = error;
    this.log('error', `cannot open a server: ${message}`, { user, database, sqlstate });
    this.growth.pause();
    if (this.isPaused) return;
    this.greeting.giveUp(error); // what they wait for only a new server could tell
    if (this.shared.size > this.shared.opening) return;
    for (let client = this.nextWaiter(); client !== null; client = this.nextWaiter()) client.noServer(error);
  }

  /** A server has been closed, for whatever reason. */
  closed(server: ServerSession, before: ServerState, reason: CloseReason, errno: number): void {
    this.servers.delete(server);
    this.shared.giveUp();
    if (before === ServerState.Login) this.growth.openingEnds();
    else this.counters.add(Counter.ServersClosed, 1);
    if (before === ServerState.Idle) this.idle.remove(server);
    if (before === ServerState.Leaving) this.sharing.leavesNot(server);
    this.checking.delete(server);
    this.plane.serverClosed(server, before, reason, errno);
    if (before === ServerState.Checking) this.serveWaiting();
    this.growth.grow();
    this.sharing.tellOthers();
    this.mayBeClosed();
  }

  /** Tells another worker what it would have to find out. */
  introduceTo(peer: PeerLink): void {
    this.greeting.introduceTo(peer);
    this.credentials.introduceTo(peer);
  }

  /** Idle servers that are too old or have idled too long. */
  expired(): ServerSession[] {
    const now = this.plane.reactor.nowMs;
    const { idleTimeoutMs } = this.settings;
    return this.idle
      .all()
      .filter(
        (each) =>
          isTooOld(each, now) || (idleTimeoutMs > 0 && wholeMsSince(each.idleSince, now) > idleTimeoutMs),
      );
  }

  /** Closes the one of this number if it is still idle. */
  closeExpired(id: number): void {
    const server = this.expired().find((each) => each.id === id);
    server?.close(isTooOld(server, this.plane.reactor.nowMs) ? 'server_lifetime' : 'idle_timeout');
  }

  /** The host name stands for another address now: new servers go there. */
  moveTo(host: string): void {
    if (this.address.kind === 'tcp') this.address = { ...this.address, host };
  }

  /** No new servers; idle ones close now, the others when they come back. Whoever logs in hears of it. */
  shutDown(): void {
    this.isShutDown = true;
    this.greeting.giveUp(new ShuttingDown());
    for (const each of this.idle.all()) this.closeUnwanted(each);
  }

  /** It goes on after all. */
  goOn(): void {
    this.isShutDown = false;
  }

  /** What the pool of another process would have to find out. */
  facts(): PoolFacts {
    const { database, user } = this.settings;
    const { origin, greeting, credentials } = this;
    return {
      database,
      user,
      origin,
      parameters: [...greeting.parameters],
      clientKey: credentials.clientKey,
    };
  }

  /** … as that process has found it out. */
  factsCame({ origin, parameters, clientKey }: PoolFacts): void {
    this.greeting.toldBy(origin, parameters);
    if (clientKey !== null) this.credentials.keyCame(clientKey);
  }

  /** Closes everything at once. */
  closeAll(reason: CloseReason = 'shutdown'): void {
    for (const each of [...this.servers]) each.close(reason);
  }

  onTimer(): void {
    this.limitWaits();
  }

  /** Those who have waited for query_wait_timeout do so no more; there may be another one now. */
  limitWaits(): void {
    const { reactor, settings } = this.plane;
    const limit = settings.queryWaitTimeoutMs;
    if (limit === 0 && !this.waiters.isEmpty) return this.noWait.begin();
    for (let first = this.waiters.first; first !== null; first = this.waiters.first) {
      if (msSince(first.waitingSince, reactor.nowMs) < limit) break;
      this.refuse(first);
    }
    const { first } = this.waiters;
    if (first !== null) reactor.setTimer(this.waitTimer, limit - msSince(first.waitingSince, reactor.nowMs));
  }

  /** The client has waited in vain. */
  refuse(client: ServedClient | null): void {
    if (client === null) return;
    this.leave(client);
    this.countWait(client);
    client.noServer(new PoolExhausted());
  }

  snapshot(clientsActive: number, oldestActiveMs = 0): PoolSnapshot {
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
      clientsIdle: this.counters.now(Gauge.Clients) - clientsActive - this.waiters.length,
      clientsActive,
      clientsWaiting: this.waiters.length,
      cancelRequests: this.cancelRequests,
      serversActive: active,
      serversIdle: this.idle.length + this.sharing.leaving,
      serversUsed: used,
      serversLogin: this.growth.opening,
      longestWaitMs: first === null ? 0 : msSince(first.waitingSince, now),
      oldestActiveMs,
      isPaused: this.isPaused,
    };
  }

  /** An idle server that is fit for use, null when there is none now. One that must be asked first whether it is
   *  alive offers itself afterwards. */
  takeIdle(longestIdle = this.plane.settings.serverRoundRobin): ServerSession | null {
    const now = this.plane.reactor.nowMs;
    const { serverIdleCheckTimeoutMs: checkAfter } = this.plane.settings;
    for (;;) {
      const server = this.idle.take(longestIdle);
      if (server === null) return null;
      if (this.closeUnwanted(server)) continue;
      if (isTooOld(server, now)) server.close('server_lifetime');
      else if (checkAfter > 0 && wholeMsSince(server.idleSince, now) > checkAfter) {
        this.checking.add(server);
        server.checkLiveness(this.settings.connectTimeoutMs);
        return null;
      } else return server;
    }
  }

  /** The server has left its reactor for another worker. */
  hasLeft(server: ServerSession, detached: DetachedSocket): void {
    this.sharing.hasLeft(server, detached);
  }

  private nextWaiter(): ServedClient | null {
    const client = this.waiters.shift();
    if (client !== null) this.waitersChanged(-1);
    return client;
  }

  private takeOut(client: ServedClient): void {
    this.waiters.remove(client);
    this.waitersChanged(-1);
  }

  private waitersChanged(change: 1 | -1): void {
    this.counters.change(Gauge.ClientsWaiting, change);
    this.shared.waits(change, this.waiters.first?.waitingSince ?? 0);
  }

  private countWait(client: ServedClient): void {
    const waited = ticksSince(client.waitingSince, this.plane.reactor.nowMs);
    this.counters.took(Histogram.Wait, Counter.WaitTime, waited);
    this.sharing.served(waited);
  }
}

/** What makes a server what it is. */
function originOf(settings: PoolSettings): unknown[] {
  return [originText(settings), settings.serverSecret];
}

/** … without secrets. */
function originText({ address, serverHost, serverTls, applicationName, ...settings }: PoolSettings): string {
  // A host name may come to stand for another address at any time: see moveTo.
  const place = address.kind === 'tcp' ? [serverHost, address.port] : [address.path];
  const { serverDatabase, serverUser } = settings;
  return JSON.stringify([...place, serverTls.id, serverDatabase, serverUser, applicationName]);
}

function isTooOld(server: ServerSession, now: number): boolean {
  return server.expiresAtS > 0 && now > server.expiresAtS * 1000;
}

/** host:port or the path of the socket. */
function addressText(address: ServerAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}
