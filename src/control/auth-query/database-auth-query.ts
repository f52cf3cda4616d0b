/** auth_query of one database: who a user is, and into which pool. */
import { createHmac, randomBytes } from 'node:crypto';
import type { LoadedConfiguration } from '../../config/load.js';
import type { AuthQuerySection } from '../../config/settings/pool.js';
import type { ClientSecret, PoolSettings } from '../../pooler/settings.js';
import type { UserAnswer } from '../../pooler/thread-messages.js';
import { mockVerifier } from '../../wire/scram-verifier.js';
import { passthroughUser, poolSettings } from '../data-plane-settings.js';
import { ServerTlsOfPools } from '../tls-settings.js';
import { AuthQueryCounters, type AuthQuerySnapshot } from './counters.js';
import { type Clocks, CredentialCache, QueryFailed } from './credential-cache.js';
import { type Credentials, readCredentials, UnusableAnswer } from './credentials.js';
import { DynamicPools, type RunTimePools } from './dynamic-pools.js';
import type { ExecutorConnection, ExecutorSettings } from './executor-connection.js';
import { Executors } from './executors.js';

/** What it is made from. */
export interface DatabaseSettings {
  readonly database: string;
  readonly section: AuthQuerySection;
  readonly executor: ExecutorSettings;
  /** Users who are listed: auth_query is not asked for them. */
  readonly listed: ReadonlySet<string>;
  /** The pool of one user in passthrough mode. */
  readonly poolOf: (user: string, secret: ClientSecret) => Promise<PoolSettings>;
}

/** What it has around it. */
export interface DatabaseContext {
  readonly pools: RunTimePools;
  /** The number of the pool that all share in dedicated mode. */
  readonly sharedPool: (database: string, serverUser: string) => number;
  readonly connect: (settings: ExecutorSettings) => Promise<ExecutorConnection>;
  readonly clocks: Clocks;
  readonly warn: (text: string) => void;
}

/** An answer for one login. */
export interface Found {
  readonly answer: UserAnswer;
  /** The login is over. */
  leave(): void;
}

/** Bytes of UTF-8. Longer names are nobody's: those of PostgreSQL have 63 at most. */
const NAME_LENGTH_MAX = 256;
const MOCK_SECRET_BYTES = 32;
const MD5_DIGITS = 32;

/** Every database that has an auth_query. */
export function databaseSettings(loaded: LoadedConfiguration): DatabaseSettings[] {
  const { general, pools } = loaded.configuration;
  const serverTls = new ServerTlsOfPools(loaded);
  return Object.entries(pools).flatMap(([database, pool]) => {
    const { auth_query: section } = pool;
    if (section === undefined) return [];
    const tls = serverTls.of(database, pool);
    const executor = {
      host: pool.server_host,
      port: pool.server_port,
      tls,
      connectTimeoutMs: pool.connect_timeout ?? general.connect_timeout,
      user: section.user,
      password: section.password,
      database: section.database ?? database,
      query: section.query,
    };
    const poolOf = (user: string, secret: ClientSecret): Promise<PoolSettings> =>
      poolSettings(general, database, pool, passthroughUser(section, user, secret), tls);
    const listed = new Set(pool.users.map(({ username }) => username));
    return [{ database, section, executor, listed, poolOf }];
  });
}

export class DatabaseAuthQuery {
  readonly counters = new AuthQueryCounters();
  private settings: DatabaseSettings;
  private readonly context: DatabaseContext;
  private readonly executors: Executors;
  private readonly cache: CredentialCache;
  private readonly dynamicPools: DynamicPools;
  private readonly mockSecret = randomBytes(MOCK_SECRET_BYTES);
  /** The form of the users' passwords: what strangers are asked for. */
  private lastSecret: ClientSecret = { kind: 'none' };

  constructor(settings: DatabaseSettings, context: DatabaseContext) {
    this.settings = settings;
    this.context = context;
    const { section, executor, database } = settings;
    const { counters } = this;
    this.executors = new Executors(
      {
        connect: () => context.connect(executor),
        clock: context.clocks.steadyMs,
        failed: (why) => context.warn(`auth_query of ${database}: ${why}`),
      },
      section.pool_size,
      counters,
    );
    const timing = {
      ttlMs: section.cache_ttl,
      failureTtlMs: section.cache_failure_ttl,
      minIntervalMs: section.min_interval,
    };
    this.cache = new CredentialCache((user) => this.fetch(user), timing, counters, context.clocks);
    this.dynamicPools = new DynamicPools(
      context.pools,
      (user, secret) => this.settings.poolOf(user, secret),
      counters,
    );
    this.executors.warm();
  }

  /** Whether it may go on with these settings. */
  isOf({ section, executor }: DatabaseSettings): boolean {
    const parts = (each: Pick<DatabaseSettings, 'section' | 'executor'>) =>
      JSON.stringify([each.section, each.executor]);
    return parts(this.settings) === parts({ section, executor });
  }

  /** Goes on with settings that it isOf(): its pools get them, but for those of users who are listed now. */
  goOnWith(settings: DatabaseSettings): void {
    this.settings = settings;
    for (const user of settings.listed) this.dynamicPools.closeOf(user);
    this.dynamicPools.changeAll();
  }

  /** `isRefetch`: after a wrong password, which may have been changed. Never rejects. */
  async find(user: string, isRefetch: boolean): Promise<Found> {
    try {
      if (!isName(user)) return this.stranger(user);
      return await this.admit(user, await (isRefetch ? this.cache.findAgain(user) : this.cache.find(user)));
    } catch (error) {
      // What the executors met has been logged when it happened.
      if (error instanceof Error && !(error instanceof QueryFailed)) {
        this.context.warn(`auth_query of ${this.settings.database} cannot let ${user} in: ${error.message}`);
      }
      return noAnswer(this.executors.isReady ? 'failed' : 'notReady');
    }
  }

  /** The password was wrong; unless this login has done so, PostgreSQL is asked whether it has changed. */
  refused(user: string, hasRefetched: boolean): void {
    this.counters.authFailure++;
    if (hasRefetched || !isName(user)) return;
    this.cache.findAgain(user).catch(() => undefined); // the next login is told
  }

  succeeded(): void {
    this.counters.authSuccess++;
  }

  /** Forgets what is too old, and closes pools that nobody uses. */
  collect(): void {
    this.cache.sweep();
    this.dynamicPools.collect();
  }

  close(): void {
    this.executors.close();
    this.dynamicPools.close();
  }

  snapshot(): AuthQuerySnapshot {
    const { counters } = this;
    return {
      database: this.settings.database,
      cache_entries: this.cache.size,
      cache_hits: counters.cacheHits,
      cache_misses: counters.cacheMisses,
      cache_refetches: counters.cacheRefetches,
      cache_rate_limited: counters.cacheRateLimited,
      auth_success: counters.authSuccess,
      auth_failure: counters.authFailure,
      executor_queries: counters.executorQueries,
      executor_errors: counters.executorErrors,
      dynamic_pools_current: this.dynamicPools.size,
      dynamic_pools_created: counters.dynamicPoolsCreated,
      dynamic_pools_destroyed: counters.dynamicPoolsDestroyed,
    };
  }

  private async fetch(user: string): Promise<Credentials | null> {
    try {
      const credentials = readCredentials(await this.executors.ask(user));
      if (credentials !== null && credentials.secret.kind !== 'unusable')
        this.lastSecret = credentials.secret;
      return credentials;
    } catch (error) {
      if (!(error instanceof UnusableAnswer)) throw error;
      this.context.warn(`auth_query of ${this.settings.database}: ${error.message}`);
      throw new QueryFailed(error.message);
    }
  }

  private async admit(user: string, credentials: Credentials | null): Promise<Found> {
    if (credentials === null || credentials.validUntilMs <= this.context.clocks.wallMs())
      return this.stranger(user);
    const { secret } = credentials;
    if (secret.kind === 'unusable') return refusal(secret);
    const { section, database } = this.settings;
    if (section.server_user !== undefined) {
      const pool = this.context.sharedPool(database, section.server_user);
      return { answer: { kind: 'user', pool, secret }, leave: nothing };
    }
    const entrance = await this.dynamicPools.enter(user, secret);
    return { answer: { kind: 'user', pool: entrance.pool, secret }, leave: () => entrance.leave() };
  }

  /** One who does not exist is asked for a password like everybody else, always with the same salt. */
  private stranger(user: string): Found {
    const { lastSecret, mockSecret } = this;
    if (lastSecret.kind === 'md5') {
      const digits = createHmac('sha256', mockSecret).update(user).digest('hex').slice(0, MD5_DIGITS);
      return refusal({ kind: 'md5', hash: `md5${digits}` });
    }
    const iterations = lastSecret.kind === 'scram' ? lastSecret.iterations : undefined;
    return refusal({ kind: 'scram', ...mockVerifier(mockSecret, user, iterations) });
  }
}

function isName(user: string): boolean {
  return Buffer.byteLength(user) <= NAME_LENGTH_MAX;
}

function refusal(secret: ClientSecret): Found {
  return { answer: { kind: 'stranger', secret }, leave: nothing };
}

function noAnswer(kind: 'notReady' | 'failed'): Found {
  return { answer: { kind }, leave: nothing };
}

function nothing(): void {
  // there is nothing to leave
}
