/** What auth_query has answered, by user: as long as it is believed, at most one question for each user at a time, and
 *  at most one in min_interval. 3.3.1 documentation, "cache_ttl", "cache_failure_ttl", "min_interval". */
import type { AuthQueryCounters } from './counters.js';
import type { Credentials } from './credentials.js';

export interface CacheTiming {
  /** How long an answer is believed. Milliseconds, as are the others. */
  readonly ttlMs: number;
  /** … one that there is no such user. */
  readonly failureTtlMs: number;
  /** The same user is not asked for more often; an answer is believed for at least so long. */
  readonly minIntervalMs: number;
}

/** Asks PostgreSQL; null: there is no such user. */
export type Fetch = (user: string) => Promise<Credentials | null>;

/** The oldest go when there are more users than this. */
export const CACHE_ENTRIES_MAX = 50_000;

/** PostgreSQL was asked, and its answer was an error or is none: for min_interval that is the answer. */
export class QueryFailed extends Error {}

interface Entry {
  readonly answer: Credentials | QueryFailed | null;
  readonly fetchedMs: number;
  /** When it was last asked for, though in vain. */
  askedMs: number;
}

/** Somebody may set the system's time back: what was believed for a while would be for ever. */
export interface Clocks {
  /** Since any moment; nobody sets it. */
  readonly steadyMs: () => number;
  /** Since 1970, for what PostgreSQL says of dates. */
  readonly wallMs: () => number;
}

export class CredentialCache {
  private readonly fetch: Fetch;
  private readonly timing: CacheTiming;
  private readonly counters: AuthQueryCounters;
  private readonly clocks: Clocks;
  private readonly entries = new Map<string, Entry>();
  private readonly underway = new Map<string, Promise<Credentials | null>>();

  constructor(fetch: Fetch, timing: CacheTiming, counters: AuthQueryCounters, clocks: Clocks) {
    this.fetch = fetch;
    this.timing = timing;
    this.counters = counters;
    this.clocks = clocks;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Rejects with what `fetch` rejects with. */
  find(user: string): Promise<Credentials | null> {
    const underway = this.underway.get(user);
    const entry = this.entries.get(user);
    if (underway === undefined && (entry === undefined || !this.isFresh(entry))) {
      this.counters.cacheMisses++;
      return this.ask(user);
    }
    this.counters.cacheHits++;
    return underway ?? answerOf(entry);
  }

  /** The password that find() told was not the user's: it may have been changed. */
  findAgain(user: string): Promise<Credentials | null> {
    const entry = this.entries.get(user);
    const underway = this.underway.get(user);
    if (entry === undefined || underway !== undefined) return underway ?? this.find(user);
    if (entry.answer === null || entry.answer instanceof QueryFailed) return answerOf(entry);
    if (this.clocks.steadyMs() - entry.askedMs < this.timing.minIntervalMs) {
      this.counters.cacheRateLimited++;
      return answerOf(entry);
    }
    this.counters.cacheRefetches++;
    // Unless it is told otherwise, what was true is.
    return this.ask(user).catch(() => answerOf(entry));
  }

  /** Forgets what is not believed any more. */
  sweep(): void {
    for (const [user, entry] of this.entries) if (!this.isFresh(entry)) this.entries.delete(user);
  }

  private isFresh({ answer, fetchedMs, askedMs }: Entry): boolean {
    const { ttlMs, failureTtlMs, minIntervalMs } = this.timing;
    const now = this.clocks.steadyMs();
    if (answer instanceof QueryFailed) return now - askedMs < minIntervalMs;
    if (answer === null) return now - fetchedMs < Math.max(failureTtlMs, minIntervalMs);
    // Whose time is over may have got more of it.
    if (answer.validUntilMs <= this.clocks.wallMs()) return now - askedMs < minIntervalMs;
    return now - fetchedMs < Math.max(ttlMs, minIntervalMs);
  }

  private ask(user: string): Promise<Credentials | null> {
    const before = this.entries.get(user);
    if (before !== undefined) before.askedMs = this.clocks.steadyMs();
    const asked = this.fetch(user)
      .then(
        (credentials) => {
          this.keep(user, credentials);
          return credentials;
        },
        (error: unknown) => {
          const isBelieved = before !== undefined && this.isFresh(before);
          if (error instanceof QueryFailed && !isBelieved) this.keep(user, error);
          throw error;
        },
      )
      .finally(() => this.underway.delete(user));
    this.underway.set(user, asked);
    return asked;
  }

  private keep(user: string, answer: Entry['answer']): void {
    const now = this.clocks.steadyMs();
    this.entries.delete(user); // it is the newest
    this.entries.set(user, { answer, fetchedMs: now, askedMs: now });
    if (this.entries.size <= CACHE_ENTRIES_MAX) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      break;
    }
  }
}

async function answerOf(entry: Entry | undefined): Promise<Credentials | null> {
  if (entry?.answer instanceof QueryFailed) throw entry.answer;
  return entry?.answer ?? null;
}
