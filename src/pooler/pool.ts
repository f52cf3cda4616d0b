/** The servers of one (database, user) that this worker has, and the clients that wait for one here: first come, first
 *  served. Servers are opened as they are needed, up to pool_size in all workers together; those that nobody needs here
 *  go to clients that wait elsewhere. Not for: what a server does while somebody has it. */
import { isDeepStrictEqual } from 'node:util';
import { SystemError } from '../reactor/libc.js';
import type { DetachedSocket, SocketAddress } from '../reactor/reactor.js';
import { UnusableAddress } from '../reactor/socket-address.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import {
  type ClientFacingError,
  LocalResourceExhausted,
  PoolExhausted,
  PoolRemoved,
  ServerUnavailable,
  ShuttingDown,
} from '../wire/client-facing-error.js';
import { isKeyOf } from '../wire/scram-verifier.js';
import type { ClientLogin } from './client-login.js';
import type { ClientSession } from './client-session.js';
import type { CloseReason } from './close-reason.js';
import { Counter, Counters, Gauge, Histogram } from './counters.js';
import type { DataPlane } from './data-plane.js';
import type { ServerRecord } from './hand-over.js';
import { IdleServers } from './idle-servers.js';
import { CREATE_PAUSE_MS, FAST_RETRY_MS, PARAMETERS_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';
import type { PoolFacts } from './passage-messages.js';
import type { PeerLink, ToPeer } from './peers.js';
import { ServerSession } from './server-session.js';
import { ServerState } from './server-stream.js';
import type { ClientSecret, PoolSettings, ServerAddress, ServerSecret } from './settings.js';
import { HOPES_FOR_OWN_MS, NONE_WAITS, SharedPool } from './shared-pool.js';
import { type Serials, StatementCache } from './statements.js';
import { counterRow, type LogLevel, type PoolSnapshot } from './thread-messages.js';
import { msSince, ticksAt, ticksSince, wholeMsSince } from './ticks.js';
import { Waiters } from './waiters.js';
import { NO_WORKER } from './worker-board.js';

/** A server's lifetime differs from the setting by up to this share, so that those opened together do not all close
 *  together. */
const LIFETIME_JITTER = 0.2;
/** Workers whose clients wait about equally long take turns with what cannot be shared out evenly: so often, or the
 *  hand-overs would cost more than they bring. */
const GIVES_AGAIN_MS = 25;
const ASK_AGAIN_MS = 5;

export class Pool implements TimerTarget, Serials {
  readonly plane: DataPlane;
  readonly index: number;
  settings: PoolSettings;
  readonly counters: Counters;
  readonly statements: StatementCache;
  /** What it has in common with the same pool in other workers. */
  readonly shared: SharedPool;
  readonly servers = new Set<ServerSession>();
  readonly waiters = new Waiters<ClientSession>();
  /** What a server of this pool says of itself: ParameterStatus by name. Empty until one has logged in. */
  readonly parameters = new Map<string, string>();
  /** What clients prove who they are with. Where everything is passed through it follows their logins. */
  clientSecret: ClientSecret;
  /** From the first client that logged in with SCRAM; signs for us at the server. */
  clientKey: Uint8Array | null = null;
  cancelRequests = 0;
  address: SocketAddress;
  /** Where its servers are and what they are like: parameters are of servers of one origin. */
  origin: string;
  private readonly idle: IdleServers;
  /** Logins that wait until a server has told its parameters. */
  private readonly greeters = new Set<ClientLogin>();
  private opening = 0;
  /** On their way to another worker. */
  private leaving = 0;
  /** Idle for long, being asked whether they are alive. */
  private readonly checking = new Set<ServerSession>();
  /** Fires when the one that waits longest may have waited long enough. It is not moved when that one is served: it
   *  then fires too early, once, and is set anew. */
  private readonly waitTimer: Timer = new Timer(this);
  private readonly pauseTimer: Timer = new Timer(this);
  /** Fires at once when a server could not even begin to be opened … */
  private readonly failTimer: Timer = new Timer(this);
  /** … for this reason. */
  private whyNotOpened: ClientFacingError | null = null;
  /** Fires when the first of those that hope for a server to come back has hoped for long enough. */
  private readonly growTimer: Timer = new Timer(this);
  /** Fires when it is time to ask other workers for a server. */
  private readonly askTimer: Timer = new Timer(this);
  private readonly timers = [this.waitTimer, this.pauseTimer, this.failTimer, this.growTimer, this.askTimer];
  /** Since when no server that is wanted here goes elsewhere, unless it is wanted much more there. Ticks. */
  private gaveSince = 0;
  /** Below so many servers a new one is opened as soon as somebody waits. */
  private warmSize: number;
  /** Above it, whoever waits hopes for so long. */
  private cooldownMs: number;
  /** Servers that were opened before are not given to clients any more. The reactors' clock. */
  private validSinceMs = 0;
  private whyRenewed: CloseReason = 'reconnect';
  /** No client gets a server, and none is kept. */
  isPaused: boolean;
  private isFilling = false;
  private hasToldParameters = false;
  private isShutDown = false;
  /** The message that asked for the end of the pool, 0 when it goes on. */
  private closeRequest = 0;

  constructor(plane: DataPlane, index: number, settings: PoolSettings, statementKey: Uint8Array) {
    this.plane = plane;
    this.index = index;
    this.settings = settings;
    this.address = settings.address;
    this.origin = originText(settings);
    this.isPaused = plane.administration.isPaused(settings.database);
    this.clientSecret = settings.clientSecret;
    const { start, settings: general } = plane;
    this.counters = new Counters(start.shared.counters, counterRow(start.index, index));
    this.shared = new SharedPool(start.shared.pools, index, start.workers, start.index);
    this.idle = new IdleServers(this.shared);
    this.statements = new StatementCache(general.preparedStatementsCacheSize, statementKey, this);
    this.warmSize = warmSizeOf(settings);
    this.cooldownMs = cooldownMsOf(settings);
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

  get knowsParameters(): boolean {
    return this.parameters.size > 0;
  }

  // ── its own life ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Other settings are in force: clients that are there keep the mode that they have; servers that were opened with
   *  what is different now are replaced as they come back. */
  change(settings: PoolSettings): void {
    const before = this.settings;
    this.settings = settings;
    this.warmSize = warmSizeOf(settings);
    this.cooldownMs = cooldownMsOf(settings);
    this.closeRequest = 0;
    this.isShutDown = this.plane.isShuttingDown;
    if (!isDeepStrictEqual(before.clientSecret, settings.clientSecret)) {
      this.clientSecret = settings.clientSecret;
      this.clientKey = null;
    }
    if (!isDeepStrictEqual(originOf(before), originOf(settings))) {
      this.address = settings.address;
      this.origin = originText(settings);
      this.parameters.clear();
      this.hasToldParameters = false;
      this.renewServers('reloaded');
    }
    for (const each of this.idle.all()) if (!this.closeUnwanted(each)) break;
    this.fill();
    this.grow();
  }

  /** The pool is not configured any more. */
  beginClosing(request: number): void {
    this.closeRequest = request;
    const { database, user } = this.settings;
    this.giveUpGreeters(new PoolRemoved(database, user));
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
    for (const each of this.timers) this.plane.reactor.clearTimer(each); // or they would keep it in memory
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
    this.fill();
    this.grow();
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

  private parametersMessage(): ToPeer {
    const { index: pool, origin, parameters } = this;
    return { type: 'parameters', pool, origin, parameters: [...parameters] };
  }

  /** Another worker asks for them. */
  tellParameters(worker: number): void {
    if (this.knowsParameters) this.plane.peers.post(worker, this.parametersMessage());
  }

  /** Those whose login waits for the parameters. */
  private greet(): void {
    const greeters = [...this.greeters];
    this.greeters.clear();
    for (const each of greeters) each.parametersCame();
  }

  /** Gives the client a server now, or has it wait. Returns whether it has one. */
  acquire(client: ClientSession): boolean {
    const server = this.waiters.isEmpty ? this.takeIdle() : null;
    if (server !== null) {
      server.link(client);
      client.gotServer(server);
      this.counters.add(Counter.Assignments, 1);
      this.counters.tookNone(Histogram.Wait);
      return true;
    }
    const { reactor, settings } = this.plane;
    client.waitingSince = ticksAt(reactor.nowMs);
    this.waiters.push(client);
    this.waitersChanged(1);
    if (!this.waitTimer.isSet) reactor.setTimer(this.waitTimer, settings.queryWaitTimeoutMs);
    this.grow();
    if (this.plane.peers.count > 0) this.hopeForOwn();
    return false;
  }

  /** The client does not want a server any more. */
  leave(client: ClientSession): void {
    if (!client.isWaiting) return;
    this.waiters.remove(client);
    this.waitersChanged(-1);
  }

  /** A clean server is there: for the client that has waited longest, here or elsewhere, or for later. */
  offer(server: ServerSession): void {
    if (this.closeUnwanted(server) || this.handOver(server)) return;
    const client = this.nextWaiter();
    if (client === null) return this.keep(server);
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
    this.openingEnds();
    this.counters.add(Counter.ServersOpened, 1);
    this.log('debug', 'server opened', server.logFields);
    if (!this.hasToldParameters) this.plane.peers.postToAll(this.parametersMessage());
    this.hasToldParameters = true;
    this.offer(server);
    this.greet();
    this.grow();
    if (this.isFilling) this.fill();
  }

  /** Opens servers, one after the other, until there are min_pool_size of them. */
  fill(): void {
    const { minPoolSize, poolSize } = this.settings;
    this.isFilling = this.shared.size < Math.min(minPoolSize, poolSize) && !this.isShutDown;
    if (!this.isFilling || !this.mayOpen) return;
    if (this.shared.reserve(poolSize, this.settings.maxConcurrentCreates)) this.open();
  }

  /** Tells the client's login when the pool knows its servers' parameters; opens a server to ask if need be. */
  wantParameters(login: ClientLogin): void {
    if (this.isShutDown) return login.noParameters(new ShuttingDown());
    this.greeters.add(login);
    this.grow();
  }

  /** The login does not want them any more. */
  leaveGreeters(login: ClientLogin): void {
    this.greeters.delete(login);
  }

  /** A server could not be opened. Those who wait are told, unless others of the pool's servers may still serve them. */
  openFailed(error: ClientFacingError): void {
    this.isFilling = false;
    this.counters.add(Counter.OpenFailures, 1);
    const { user, database } = this.settings;
    const { message, sqlstate } = error;
    this.log('error', `cannot open a server: ${message}`, { user, database, sqlstate });
    const { reactor } = this.plane;
    if (!this.pauseTimer.isSet) reactor.setTimer(this.pauseTimer, CREATE_PAUSE_MS);
    if (this.isPaused || this.shared.size > this.shared.opening) return;
    for (let client = this.nextWaiter(); client !== null; client = this.nextWaiter()) client.noServer(error);
    this.giveUpGreeters(error);
  }

  private giveUpGreeters(error: ClientFacingError): void {
    const greeters = [...this.greeters];
    this.greeters.clear();
    for (const each of greeters) each.noParameters(error);
  }

  /** A server has been closed, for whatever reason. */
  closed(server: ServerSession, before: ServerState, reason: CloseReason, errno: number): void {
    this.servers.delete(server);
    this.shared.giveUp();
    if (before === ServerState.Login) this.openingEnds();
    else this.counters.add(Counter.ServersClosed, 1);
    if (before === ServerState.Idle) this.idle.remove(server);
    if (before === ServerState.Leaving) this.leavesNot(server);
    this.checking.delete(server);
    this.plane.serverClosed(server, before, reason, errno);
    this.grow();
    this.tellOthers();
    this.mayBeClosed();
  }

  /** ParameterStatus of one of its servers that logs in. */
  parameterCame(name: string, value: string): void {
    const isRoom = this.parameters.size < PARAMETERS_MAX;
    if (isRoom && !this.parameters.has(name)) this.parameters.set(name, value);
  }

  /** … of servers of another worker. */
  parametersToldBy(origin: string, parameters: readonly (readonly [string, string])[]): void {
    if (origin === this.origin) this.parametersCame(parameters);
  }

  parametersCame(parameters: readonly (readonly [string, string])[]): void {
    for (const [name, value] of parameters) this.parameterCame(name, value);
    this.greet();
  }

  /** How the pooler proves who it is to the server. */
  get serverSecret(): ServerSecret {
    const { serverSecret } = this.settings;
    if (serverSecret.kind !== 'passthrough') return serverSecret;
    const { clientSecret } = this;
    return clientSecret.kind === 'md5'
      ? { kind: 'md5', hash: clientSecret.hash }
      : { kind: 'scram-passthrough' };
  }

  /** A client has logged in with SCRAM, here or in another worker. */
  clientKeyCame(key: Uint8Array): void {
    const { clientSecret } = this.settings;
    // One that the other worker knew from before the password was changed is of no use.
    if (clientSecret.kind === 'scram' && isKeyOf(clientSecret, key)) this.clientKey = key;
  }

  /** … or with what auth_query said, in another worker. */
  credentialsCame(secret: ClientSecret, key: Uint8Array | null): void {
    this.clientSecret = secret;
    this.clientKey = key;
  }

  /** A client has proved here to have this secret, by SCRAM with this key: what can be passed through is kept, and the
   *  other workers are told. */
  learn(secret: ClientSecret, key: Uint8Array | null): void {
    const { kind } = this.settings.serverSecret;
    const { peers } = this.plane;
    if (kind === 'passthrough') {
      if (isSameSecret(secret, this.clientSecret) && (key === null || this.clientKey !== null)) return;
      this.credentialsCame(secret, key);
      peers.postToAll({ type: 'credentials', pool: this.index, secret, key });
    } else if (key !== null && kind === 'scram-passthrough' && !isSameKey(key, this.clientKey)) {
      this.clientKey = key;
      peers.postToAll({ type: 'clientKey', pool: this.index, key });
    }
  }

  /** Tells another worker what it would have to find out. */
  introduceTo(peer: PeerLink): void {
    if (this.knowsParameters) peer.post(this.parametersMessage());
    const { index: pool, clientSecret: secret, clientKey: key } = this;
    if (this.settings.serverSecret.kind === 'passthrough') {
      peer.post({ type: 'credentials', pool, secret, key });
    } else if (key !== null) peer.post({ type: 'clientKey', pool, key });
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
    this.giveUpGreeters(new ShuttingDown());
    for (const each of this.idle.all()) this.closeUnwanted(each);
  }

  /** It goes on after all. */
  goOn(): void {
    this.isShutDown = false;
  }

  /** What the pool of another process would have to find out. */
  facts(): PoolFacts {
    const { database, user } = this.settings;
    return { database, user, parameters: [...this.parameters], clientKey: this.clientKey };
  }

  /** … as that process has found it out. */
  factsCame({ parameters, clientKey }: PoolFacts): void {
    this.parametersCame(parameters);
    if (clientKey !== null) this.clientKeyCame(clientKey);
  }

  /** Closes everything at once. */
  closeAll(reason: CloseReason = 'shutdown'): void {
    for (const each of [...this.servers]) each.close(reason);
  }

  onTimer(timer: Timer): void {
    if (timer === this.askTimer) return this.askAround();
    if (timer === this.failTimer && this.whyNotOpened !== null) return this.openFailed(this.whyNotOpened);
    if (timer !== this.waitTimer) return this.grow();
    const { reactor, settings } = this.plane;
    const limit = settings.queryWaitTimeoutMs;
    for (let first = this.waiters.first; first !== null; first = this.waiters.first) {
      if (msSince(first.waitingSince, reactor.nowMs) < limit) break;
      this.nextWaiter();
      this.countWait(first);
      first.noServer(new PoolExhausted());
    }
    const { first } = this.waiters;
    if (first !== null) reactor.setTimer(this.waitTimer, limit - msSince(first.waitingSince, reactor.nowMs));
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
      serversIdle: this.idle.length + this.leaving,
      serversUsed: used,
      serversLogin: this.opening,
      longestWaitMs: first === null ? 0 : msSince(first.waitingSince, now),
      oldestActiveMs,
      isPaused: this.isPaused,
    };
  }

  /** An idle server that is fit for use, null when there is none now. One that must be asked first whether it is
   *  alive offers itself afterwards. */
  private takeIdle(): ServerSession | null {
    const now = this.plane.reactor.nowMs;
    const { serverIdleCheckTimeoutMs: checkAfter, serverRoundRobin } = this.plane.settings;
    for (;;) {
      const server = this.idle.take(serverRoundRobin);
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

  /** Opens as many servers as waiting clients need and limits allow. */
  private grow(): void {
    const { poolSize, maxConcurrentCreates } = this.settings;
    while (this.mayOpen && this.shared.size < poolSize && this.isServerWanted) {
      if (!this.shared.reserve(poolSize, maxConcurrentCreates) || !this.open()) break;
    }
    if (this.greeters.size > 0) this.hopeForParameters();
  }

  /** Those of other workers' servers come by themselves, but too early for a worker that hears of a reload after them;
   *  and nobody tells when such a server could not be opened. */
  private hopeForParameters(): void {
    if (this.opening > 0 || this.isShutDown || this.growTimer.isSet) return;
    this.plane.reactor.setTimer(this.growTimer, CREATE_PAUSE_MS);
    this.plane.peers.postToAll({ type: 'askParameters', pool: this.index });
  }

  private get mayOpen(): boolean {
    return !this.pauseTimer.isSet && !this.failTimer.isSet && !this.isShutDown && !this.isPaused;
  }

  /** Whether somebody waits for whom no server is on its way, and a new one should be opened. */
  private get isServerWanted(): boolean {
    const wanted = this.coming + (this.greeters.size > 0 ? 0 : 1);
    if (this.shared.size < this.warmSize || this.cooldownMs === 0) return this.waiters.length >= wanted;
    return this.areImpatient(wanted);
  }

  /** Servers that will soon be free for somebody who waits here. */
  private get coming(): number {
    return this.opening + this.checking.size + this.shared.pledged;
  }

  /** Whether so many have hoped for a server to come back for long enough; if not, they are looked at when the time of
   *  the next one has come. */
  private areImpatient(count: number): boolean {
    const { reactor } = this.plane;
    let each = this.waiters.first;
    for (let found = 0; found < count; found++) {
      if (each === null) return false;
      const left = this.cooldownMs - msSince(each.waitingSince, reactor.nowMs);
      if (left > 0) {
        if (!this.growTimer.isSet) reactor.setTimer(this.growTimer, left);
        return false;
      }
      each = each.nextWaiter;
    }
    return true;
  }

  /** Opens a server whose place has been reserved. */
  private open(): boolean {
    this.opening++;
    try {
      const server = ServerSession.open(this, this.plane.board.nextServerId(), this.jitteredLifetime());
      this.servers.add(server);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.openingEnds();
      this.shared.giveUp();
      const isNowhere = error instanceof UnusableAddress;
      this.whyNotOpened = new (isNowhere ? ServerUnavailable : LocalResourceExhausted)(error.message);
      // Not inside the call of whoever is about to wait: it would sleep through the news.
      this.plane.reactor.setTimer(this.failTimer, 0);
      return false;
    }
  }

  private openingEnds(): void {
    this.opening--;
    this.shared.openingEnds();
    this.tellOthers();
  }

  // ── other workers ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Somebody waits elsewhere: idle servers go there, and there may be room to open one for those who wait here. */
  look(): void {
    while (this.idle.length > 0 && this.shared.othersWait) {
      const server = this.takeIdle();
      if (server === null) break;
      if (!this.handOver(server)) {
        this.idle.push(server);
        break;
      }
    }
    this.grow();
  }

  /** A server that another worker has handed over. */
  takeOver(record: ServerRecord, detached: DetachedSocket): void {
    this.shared.arrived();
    this.counters.add(Counter.HandOvers, 1);
    this.goOnWith(record, detached);
  }

  private leavesNot(server: ServerSession): void {
    this.leaving--;
    this.shared.withdraw(server.destination);
  }

  /** The server has begun to say something on its way out: it stays, or the other worker would hear the rest alone. */
  stays(server: ServerSession): void {
    this.leavesNot(server);
    this.offer(server);
  }

  private goOnWith(record: ServerRecord, detached: DetachedSocket): void {
    const server = ServerSession.takenOver(this, record, detached);
    this.servers.add(server);
    this.offer(server);
  }

  /** The server has left its reactor: it goes to the worker that it was pledged to. */
  hasLeft(server: ServerSession, detached: DetachedSocket): void {
    this.servers.delete(server);
    this.leaving--;
    this.plane.trace?.ends(server);
    const { destination } = server;
    const record = server.record();
    const { peers } = this.plane;
    if (peers.has(destination)) {
      this.shared.leaves(destination);
      peers.post(destination, { type: 'server', pool: this.index, detached, record });
      return this.mayBeClosed();
    }
    this.shared.withdraw(destination);
    this.goOnWith(record, detached);
  }

  /** Has a clean server leave for a worker whose clients need it more. */
  private handOver(server: ServerSession): boolean {
    // What it is in the middle of saying is not cut in two.
    if (!this.shared.othersWait || !server.isBetweenMessages) return false;
    const now = ticksAt(this.plane.reactor.nowMs);
    const { first } = this.waiters;
    const ownWait = first === null ? NONE_WAITS : (now - first.waitingSince) | 0;
    const gaveLately = msSince(this.gaveSince, this.plane.reactor.nowMs) < GIVES_AGAIN_MS;
    const neediest = this.shared.neediest(ownWait, now, gaveLately);
    if (neediest === NO_WORKER || !this.plane.peers.has(neediest)) return false;
    if (!this.shared.pledge(neediest)) return false;
    if (first !== null) this.gaveSince = now;
    this.leaving++;
    server.leaveFor(neediest);
    return true;
  }

  /** For later. Whoever began to wait elsewhere before this was seen gets it after all. */
  private keep(server: ServerSession): void {
    this.idle.push(server);
    if (this.shared.othersWait) this.look();
  }

  /** The servers of this worker come back by themselves, most of them soon; only then others are asked for theirs. */
  private hopeForOwn(): void {
    if (this.servers.size === 0) return this.askAround();
    if (!this.askTimer.isSet) this.plane.reactor.setTimer(this.askTimer, HOPES_FOR_OWN_MS);
  }

  /** Asks the worker that has most idle servers for one, for those who wait here; and again while they wait, since one
   *  may have kept a server that did not know of them yet. */
  private askAround(): void {
    if (this.waiters.isEmpty) return;
    this.plane.reactor.setTimer(this.askTimer, ASK_AGAIN_MS);
    if (this.waiters.length <= this.coming) return;
    const { richest } = this.shared;
    if (richest !== NO_WORKER) this.plane.peers.post(richest, { type: 'look', pool: this.index });
  }

  /** There may be room to open a server: those who wait elsewhere look. */
  private tellOthers(): void {
    if (!this.shared.othersWait || this.isShutDown) return;
    for (const worker of this.plane.peers.all()) {
      if (this.shared.waitsIn(worker)) this.plane.peers.post(worker, { type: 'look', pool: this.index });
    }
  }

  private nextWaiter(): ClientSession | null {
    const client = this.waiters.shift();
    if (client !== null) this.waitersChanged(-1);
    return client;
  }

  private waitersChanged(change: 1 | -1): void {
    this.counters.change(Gauge.ClientsWaiting, change);
    this.shared.waits(change, this.waiters.first?.waitingSince ?? 0);
  }

  private jitteredLifetime(): number {
    const random = Buffer.from(this.plane.reactor.random(4)).readUInt32LE(0) / 0x1_0000_0000;
    return this.settings.serverLifetimeMs * (1 + LIFETIME_JITTER * (2 * random - 1));
  }

  private countWait(client: ClientSession): void {
    const waited = ticksSince(client.waitingSince, this.plane.reactor.nowMs);
    this.counters.took(Histogram.Wait, Counter.WaitTime, waited);
  }
}

function isSameKey(key: Uint8Array, known: Uint8Array | null): boolean {
  return known !== null && Buffer.from(known).equals(key);
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

function warmSizeOf({ poolSize, scalingWarmPoolRatio }: PoolSettings): number {
  return Math.max(1, Math.floor((poolSize * scalingWarmPoolRatio) / 100));
}

function cooldownMsOf({ scalingFastRetries, scalingCooldownSleepMs }: PoolSettings): number {
  return scalingFastRetries * FAST_RETRY_MS + scalingCooldownSleepMs;
}

function isTooOld(server: ServerSession, now: number): boolean {
  return server.expiresAtS > 0 && now > server.expiresAtS * 1000;
}

function isSameSecret(a: ClientSecret, b: ClientSecret): boolean {
  if (a.kind === 'md5' && b.kind === 'md5') return a.hash === b.hash;
  if (a.kind !== 'scram' || b.kind !== 'scram') return false;
  return Buffer.from(a.salt).equals(b.salt) && Buffer.from(a.storedKey).equals(b.storedKey);
}

/** host:port or the path of the socket. */
function addressText(address: ServerAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}
