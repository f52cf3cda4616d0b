/** The pools of passthrough mode: everybody whom auth_query finds in a database gets one of their own at their first
 *  login, and it goes when it has neither clients nor servers any more. */
import type { ClientSecret, PoolSettings } from '../../pooler/settings.js';
import type { AuthQueryCounters } from './counters.js';

/** Pools that come and go while workers run. */
export interface RunTimePools {
  /** Returns its number when all workers know it; one that is there gets these settings. Rejects when there are too
   *  many. */
  open(settings: PoolSettings): Promise<number>;
  close(pool: number): void;
  /** Neither clients nor servers, in no worker and not on their way between two. */
  isEmpty(pool: number): boolean;
}

/** One login's way into a pool. */
export interface Entrance {
  readonly pool: number;
  /** The login is over: who has come in is a client of the pool now. Once only. */
  leave(): void;
}

interface DynamicPool {
  readonly number: Promise<number>;
  /** What it began with. */
  readonly secret: ClientSecret;
  /** -1 until it is open. */
  open: number;
  /** Logins that know its number and are not over: they are no clients yet. */
  logins: number;
}

export class DynamicPools {
  private readonly pools: RunTimePools;
  private readonly settingsOf: (user: string, secret: ClientSecret) => Promise<PoolSettings>;
  private readonly counters: AuthQueryCounters;
  private readonly byUser = new Map<string, DynamicPool>();
  private isClosed = false;

  constructor(
    pools: RunTimePools,
    settingsOf: (user: string, secret: ClientSecret) => Promise<PoolSettings>,
    counters: AuthQueryCounters,
  ) {
    this.pools = pools;
    this.settingsOf = settingsOf;
    this.counters = counters;
  }

  get size(): number {
    return this.byUser.size;
  }

  /** Holds the user's pool for one login. A new pool begins with this secret; later ones are learnt from the logins
   *  themselves. Rejects when there can be no pool. */
  async enter(user: string, secret: ClientSecret): Promise<Entrance> {
    const pool = this.byUser.get(user) ?? this.make(user, secret);
    pool.logins++;
    return {
      pool: await pool.number,
      leave: () => {
        pool.logins--;
      },
    };
  }

  /** Closes those that nobody uses. */
  collect(): void {
    for (const [user, { open, logins }] of this.byUser) {
      if (open !== -1 && logins === 0 && this.pools.isEmpty(open)) this.closeOf(user);
    }
  }

  /** Closes one user's: it is listed now. */
  closeOf(user: string): void {
    const pool = this.byUser.get(user);
    if (pool === undefined) return;
    this.byUser.delete(user);
    // One that is still being opened is closed when it is.
    pool.number.then(
      (number) => {
        this.pools.close(number);
        this.counters.dynamicPoolsDestroyed++;
      },
      () => undefined,
    );
  }

  /** The settings that they are made from have changed. */
  changeAll(): void {
    for (const [user, pool] of this.byUser) {
      this.change(user, pool).catch(() => undefined); // it could not be opened, which its logins were told
    }
  }

  /** Closes all, and opens none any more. */
  close(): void {
    this.isClosed = true;
    for (const user of [...this.byUser.keys()]) this.closeOf(user);
  }

  private make(user: string, secret: ClientSecret): DynamicPool {
    if (this.isClosed) throw new Error('auth_query has been changed');
    const pool: DynamicPool = { number: this.openFor(user, secret), secret, open: -1, logins: 0 };
    this.byUser.set(user, pool);
    pool.number.then(
      (number) => {
        pool.open = number;
        this.counters.dynamicPoolsCreated++;
      },
      () => {
        if (this.byUser.get(user) === pool) this.byUser.delete(user); // the next login tries again
      },
    );
    return pool;
  }

  private async change(user: string, pool: DynamicPool): Promise<void> {
    const settings = await this.settingsOf(user, pool.secret);
    await pool.number;
    if (this.byUser.get(user) === pool) await this.pools.open(settings);
  }

  private async openFor(user: string, secret: ClientSecret): Promise<number> {
    return this.pools.open(await this.settingsOf(user, secret));
  }
}
