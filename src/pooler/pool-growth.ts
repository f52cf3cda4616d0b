/** When a pool opens servers in this worker: as they are needed, no more than there may be, in the pace of
 *  scaling_warm_pool_ratio, scaling_fast_retries, scaling_cooldown_sleep and max_concurrent_creates. */
import { SystemError } from '../reactor/libc.js';
import { UnusableAddress } from '../reactor/socket-address.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import {
  type ClientFacingError,
  LocalResourceExhausted,
  ServerUnavailable,
} from '../wire/client-facing-error.js';
import { CREATE_PAUSE_MS, FAST_RETRY_MS } from './limits.js';
import type { Pool } from './pool.js';
import { ServerSession } from './server-session.js';
import { msSince, ticksAt } from './ticks.js';

/** A server's lifetime differs from the setting by up to this share, so that those opened together do not all close
 *  together. */
const LIFETIME_JITTER = 0.2;

export class PoolGrowth implements TimerTarget {
  /** Servers that are being opened. */
  opening = 0;
  private readonly pool: Pool;
  /** Below so many servers a new one is opened as soon as somebody waits. */
  private warmSize = 0;
  /** Above it, one is opened when servers have been short for so long. */
  private cooldownMs = 0;
  /** Whether somebody had to wait, and no server has been free for the next since … */
  private isShort = false;
  /** … and when that was. Ticks. */
  private shortSince = 0;
  private isFilling = false;
  private readonly pauseTimer: Timer = new Timer(this);
  /** Fires at once when a server could not even begin to be opened … */
  private readonly failTimer: Timer = new Timer(this);
  /** … for this reason. */
  private whyNotOpened: ClientFacingError | null = null;
  /** Fires when servers may have been short for long enough. */
  private readonly growTimer: Timer = new Timer(this);

  constructor(pool: Pool) {
    this.pool = pool;
    this.settingsChanged();
  }

  settingsChanged(): void {
    const { poolSize, scalingWarmPoolRatio, scalingFastRetries, scalingCooldownSleepMs } = this.pool.settings;
    this.warmSize = Math.max(1, Math.floor((poolSize * scalingWarmPoolRatio) / 100));
    this.cooldownMs = scalingFastRetries * FAST_RETRY_MS + scalingCooldownSleepMs;
  }

  /** Opens as many servers as waiting clients need and limits allow. */
  grow(): void {
    const { shared, settings } = this.pool;
    const { poolSize, maxConcurrentCreates } = settings;
    while (shared.size < poolSize && this.mayOpen && this.isServerWanted) {
      if (!shared.reserve(poolSize, maxConcurrentCreates) || !this.open()) break;
    }
    if (this.pool.greeting.isAwaited) this.hopeForParameters();
  }

  /** Those of other workers' servers come by themselves, but too early for a worker that hears of a reload after them;
   *  and nobody tells when such a server could not be opened. */
  private hopeForParameters(): void {
    const { plane, index: pool } = this.pool;
    if (this.opening > 0 || this.growTimer.isSet) return;
    plane.reactor.setTimer(this.growTimer, CREATE_PAUSE_MS);
    plane.peers.postToAll({ type: 'askParameters', pool });
  }

  /** The pool is closed. */
  stop(): void {
    const { reactor } = this.pool.plane;
    for (const each of [this.pauseTimer, this.failTimer, this.growTimer]) reactor.clearTimer(each);
  }

  /** Opens servers, one after the other, until there are min_pool_size of them. */
  fill(): void {
    const { shared, settings, isShutDown } = this.pool;
    const { minPoolSize, poolSize, maxConcurrentCreates } = settings;
    this.isFilling = shared.size < Math.min(minPoolSize, poolSize) && !isShutDown;
    if (!this.isFilling || !this.mayOpen) return;
    if (shared.reserve(poolSize, maxConcurrentCreates)) this.open();
  }

  /** A server has logged in. */
  opened(): void {
    this.grow();
    if (this.isFilling) this.fill();
  }

  /** A server has been opened, or could not be. */
  openingEnds(): void {
    this.opening--;
    this.pool.shared.openingEnds();
    this.pool.sharing.tellOthers();
  }

  /** A server could not be opened: the next try is in a moment. */
  pause(): void {
    this.isFilling = false;
    if (!this.pauseTimer.isSet) this.pool.plane.reactor.setTimer(this.pauseTimer, CREATE_PAUSE_MS);
  }

  /** Servers that will soon be free for somebody who waits here. */
  get coming(): number {
    return this.opening + this.pool.checking.size + this.pool.shared.pledged;
  }

  /** So many servers may be opened. */
  get room(): number {
    const { isShutDown, isPaused, settings, shared } = this.pool;
    return isShutDown || isPaused ? 0 : Math.max(0, settings.poolSize - shared.size);
  }

  onTimer(timer: Timer): void {
    if (timer === this.failTimer && this.whyNotOpened !== null) this.pool.openFailed(this.whyNotOpened);
    else this.grow();
  }

  private get mayOpen(): boolean {
    const { isShutDown, isPaused } = this.pool;
    return !isShutDown && !isPaused && !this.pauseTimer.isSet && !this.failTimer.isSet;
  }

  /** A client has to wait, and no server is idle. */
  shortageBegins(): void {
    if (this.isShort) return;
    this.isShort = true;
    this.shortSince = ticksAt(this.pool.plane.reactor.nowMs);
  }

  /** A server has come back, and nobody waits for it here; or whoever waited does so no more. */
  shortageEnds(): void {
    this.isShort = false;
  }

  /** Whether somebody waits for whom no server is on its way, and a new one should be opened. */
  private get isServerWanted(): boolean {
    const { waiters, shared, greeting } = this.pool;
    const wanted = this.coming + (greeting.isAwaited ? 0 : 1);
    if (waiters.length < wanted) return false;
    return shared.size < this.warmSize || wanted === 0 || this.hasBeenShort();
  }

  /** Whether it is more than a moment's shortage; if not, that is looked at again, even if it only begins now. How long each client waits says
   *  little: many that ask for little wait for a short time each, and without an end all together. */
  private hasBeenShort(): boolean {
    const { reactor } = this.pool.plane;
    this.shortageBegins();
    const left = this.cooldownMs - msSince(this.shortSince, reactor.nowMs);
    if (left <= 0) return true;
    if (!this.growTimer.isSet) reactor.setTimer(this.growTimer, left);
    return false;
  }

  /** Opens a server whose place has been reserved. */
  private open(): boolean {
    const { pool } = this;
    this.opening++;
    try {
      pool.servers.add(ServerSession.open(pool, pool.plane.board.nextServerId(), this.jitteredLifetime()));
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.openingEnds();
      pool.shared.giveUp();
      const isNowhere = error instanceof UnusableAddress;
      this.whyNotOpened = new (isNowhere ? ServerUnavailable : LocalResourceExhausted)(error.message);
      // Not inside the call of whoever is about to wait: it would sleep through the news.
      pool.plane.reactor.setTimer(this.failTimer, 0);
      return false;
    }
  }

  private jitteredLifetime(): number {
    const { plane, settings } = this.pool;
    const random = Buffer.from(plane.reactor.random(4)).readUInt32LE(0) / 0x1_0000_0000;
    return settings.serverLifetimeMs * (1 + LIFETIME_JITTER * (2 * random - 1));
  }
}
