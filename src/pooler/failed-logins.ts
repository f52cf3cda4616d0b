/** Failed logins to the admin console, by address: whoever guesses passwords waits longer and longer. An attempt from
 *  an address that has failed before is not judged before its time, right or wrong, so that going away early tells
 *  nothing; and only so many attempts of one address wait at a time. Other addresses do not notice. Each worker keeps
 *  this of the whole process: they tell each other. */
import type { Reactor } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';

/** What an attempt waits after the first failure; each further one doubles it. Milliseconds. */
const FIRST_DELAY_MS = 250;
const DELAY_MAX_MS = 8000;
/** An address that has not failed for so long begins anew. Milliseconds. */
const FORGOTTEN_AFTER_MS = 600_000;
/** Attempts of one address that wait at a time; a further one is refused. */
const WAITING_MAX = 10;
/** Addresses that are remembered; the one that has not failed for longest makes room. */
const ADDRESSES_MAX = 1024;

export interface Attempt {
  /** The time has come; called at once when nothing has failed before. */
  judge(): void;
}

export class FailedLogins {
  private readonly reactor: Reactor;
  /** By network, the one that has failed last at the end. */
  private readonly failures = new Map<string, { count: number; lastMs: number }>();
  private readonly waiting = new Map<Attempt, Waiting>();

  constructor(reactor: Reactor) {
    this.reactor = reactor;
  }

  /** Has the attempt judged when it is time; false when too many from there wait already. `address`: IPv4 or IPv6, or
   *  '' for unix sockets. */
  enter(address: string, attempt: Attempt): boolean {
    const network = networkOf(address);
    const delayMs = this.delayMs(network);
    if (delayMs === 0) {
      attempt.judge();
      return true;
    }
    if (this.waitingFrom(network) >= WAITING_MAX) return false;
    const waiting = new Waiting(this, network, attempt);
    this.waiting.set(attempt, waiting);
    this.reactor.setTimer(waiting.timer, delayMs);
    return true;
  }

  /** It does not want to any more. */
  leave(attempt: Attempt): void {
    const waiting = this.waiting.get(attempt);
    if (waiting === undefined) return;
    this.waiting.delete(attempt);
    this.reactor.clearTimer(waiting.timer);
  }

  /** An attempt from there has failed, here or in another worker. Returns how many have. */
  failed(address: string): number {
    const network = networkOf(address);
    const count = this.countOf(network) + 1;
    this.failures.delete(network);
    const [oldest] = this.failures.keys();
    if (oldest !== undefined && this.failures.size >= ADDRESSES_MAX) this.failures.delete(oldest);
    this.failures.set(network, { count, lastMs: this.reactor.nowMs });
    return count;
  }

  private delayMs(network: string): number {
    const count = this.countOf(network);
    return count === 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (count - 1), DELAY_MAX_MS);
  }

  private countOf(network: string): number {
    const failure = this.failures.get(network);
    return failure === undefined || this.reactor.nowMs - failure.lastMs > FORGOTTEN_AFTER_MS
      ? 0
      : failure.count;
  }

  private waitingFrom(network: string): number {
    let count = 0;
    for (const each of this.waiting.values()) if (each.network === network) count++;
    return count;
  }
}

class Waiting implements TimerTarget {
  readonly timer: Timer = new Timer(this);
  readonly network: string;
  private readonly all: FailedLogins;
  private readonly attempt: Attempt;

  constructor(all: FailedLogins, network: string, attempt: Attempt) {
    this.all = all;
    this.network = network;
    this.attempt = attempt;
  }

  onTimer(): void {
    this.all.leave(this.attempt);
    this.attempt.judge();
  }
}

/** One machine can have all addresses of an IPv6 network of 64 bits: they are counted as one. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [front = '', back = ''] = address.split('::');
  const groups = front === '' ? [] : front.split(':');
  const missing = 8 - groups.length - (back === '' ? 0 : back.split(':').length);
  const whole = [...groups, ...Array.from({ length: missing }, () => '0'), ...back.split(':')];
  return whole.slice(0, 4).join(':');
}
