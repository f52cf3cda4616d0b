/** `tls_rate_limit_per_second`: TLS handshakes cost a hundred times what a query does, so that after a restart of many
 *  clients their handshakes would keep all others waiting. They are begun so many a second, first come, first served;
 *  a tenth of a second's worth may begin together. */
import type { Reactor } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';

export interface HandshakeWaiter {
  /** It is this one's turn. Never called from inside a call of its own to the queue, unless there is no limit. */
  beginHandshake(): void;
}

/** Share of a second whose handshakes may begin together. */
const BURST_S = 0.1;
const TIMER_MIN_MS = 1;

export class HandshakeQueue implements TimerTarget {
  private readonly reactor: Reactor;
  private readonly timer: Timer = new Timer(this);
  private readonly waiting = new Set<HandshakeWaiter>();
  private perSecond: number;
  /** How many may begin now, with fractions. */
  private allowance = 0;
  private countedMs: number;

  /** 0: no limit. */
  constructor(reactor: Reactor, perSecond: number) {
    this.reactor = reactor;
    this.perSecond = perSecond;
    this.countedMs = reactor.nowMs;
  }

  /** From now on so many. */
  setLimit(perSecond: number): void {
    this.perSecond = perSecond;
    if (this.waiting.size > 0) this.reactor.setTimer(this.timer, TIMER_MIN_MS);
  }

  enter(waiter: HandshakeWaiter): void {
    if (this.perSecond === 0) return waiter.beginHandshake();
    this.waiting.add(waiter);
    if (!this.timer.isSet) this.reactor.setTimer(this.timer, this.untilNextMs());
  }

  /** It does not want to any more. */
  leave(waiter: HandshakeWaiter): void {
    this.waiting.delete(waiter);
    if (this.waiting.size === 0) this.reactor.clearTimer(this.timer);
  }

  onTimer(): void {
    this.count();
    for (const waiter of this.waiting) {
      if (this.perSecond > 0 && this.allowance < 1) break;
      this.allowance--;
      this.waiting.delete(waiter);
      waiter.beginHandshake();
    }
    if (this.waiting.size > 0) this.reactor.setTimer(this.timer, this.untilNextMs());
  }

  private untilNextMs(): number {
    this.count();
    return Math.max(TIMER_MIN_MS, ((1 - this.allowance) * 1000) / this.perSecond);
  }

  private count(): void {
    const { nowMs } = this.reactor;
    const grown = this.allowance + ((nowMs - this.countedMs) / 1000) * this.perSecond;
    this.allowance = Math.min(grown, Math.max(1, this.perSecond * BURST_S));
    this.countedMs = nowMs;
  }
}
