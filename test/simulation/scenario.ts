/** What a seed stands for: how the pooler is configured, how clients behave, and how much goes wrong. All of it is drawn
 *  from the seed. */
import { configurationSchema } from '../../src/config/settings/configuration.js';
import { type Resolved, resolveSettings } from '../../src/control/data-plane-settings.js';
import { Random } from '../support/random.js';
import { NO_TOKEN_KEYS } from '../support/token-keys.js';
import { type BadLuck, NO_BAD_LUCK } from './backend-host.js';
import type { NetworkManners } from './network-manners.js';
import type { ClientManners } from './simulated-client.js';

/** How often administrators and accidents come. Of 1, for each time that something may come. */
interface Trouble {
  /** pool_size, hosts and settings change. */
  readonly reloads: number;
  /** So many RELOADs come at once, one at least … */
  readonly reloadsAtOnce: number;
  /** … and how often each sends a pool to another host. */
  readonly otherHosts: number;
  readonly pauses: number;
  readonly reconnects: number;
  readonly kills: number;
  /** A pool is taken out of the configuration, and comes back. */
  readonly removals: number;
  /** A worker dies. */
  readonly deaths: number;
  /** Another process takes this one's place. */
  readonly upgrades: number;
  /** A worker gets no processor for a while, or the whole process is stopped. */
  readonly stops: number;
  /** PostgreSQL goes down, and comes up again. */
  readonly restarts: number;
  /** Clients move between workers more often. */
  readonly hasManyMoves: boolean;
}

export interface Scenario {
  readonly clients: number;
  readonly manners: ClientManners;
  readonly luck: BadLuck;
  readonly network: NetworkManners;
  readonly trouble: Trouble;
  /** So much of a second a worker is busy at most, in milliseconds: when it is little, clients gather in one. */
  readonly busyMaxMs: number;
  readonly resolved: Resolved;
}

const NO_TROUBLE: Trouble = {
  reloads: 0,
  reloadsAtOnce: 1,
  otherHosts: 0.2,
  pauses: 0,
  reconnects: 0,
  kills: 0,
  removals: 0,
  deaths: 0,
  upgrades: 0,
  stops: 0,
  restarts: 0,
  hasManyMoves: false,
};

/** Mixes the seed, so that neighbours have nothing in common. */
const SPREAD = 0x9e3779b1;
/** … once more, for what was added later: the rest of a story does not depend on it. */
const MORE = 0x2545f491;
/** … and again. */
const YET_MORE = 0x6c078965;
const NAMES = [
  { database: 'mydb', user: 'alice' },
  { database: 'mydb', user: 'bob' },
  { database: 'other', user: 'alice' },
] as const;

export async function scenarioOf(seed: number): Promise<Scenario> {
  const random = new Random(Math.imul(seed, SPREAD));
  /** Mostly not at all; else up to so often. */
  const rate = (most: number, often = 0.5): number =>
    random.chance(often) ? (most * random.below(1000)) / 1000 : 0;
  const more = new Random(Math.imul(seed, SPREAD) ^ MORE);
  const seldom = (most: number, often: number): number =>
    more.chance(often) ? (most * more.below(1000)) / 1000 : 0;
  const yetMore = new Random(Math.imul(seed, SPREAD) ^ YET_MORE);
  // Nothing happens that a client may be told of: every error is wrong.
  const isFair = random.chance(0.3);
  const isSession = random.chance(0.15);
  const clients = random.between(2, 9);
  const syncs = !isSession && random.chance(0.3);
  const pools = NAMES.slice(0, random.chance(0.5) ? 1 : random.between(2, 3));
  const usersOf = (wanted: string) =>
    pools
      .filter(({ database }) => database === wanted)
      .map(({ user }) => {
        const size = isSession ? clients : random.between(1, 4);
        return {
          username: user,
          pool_size: size,
          ...(random.chance(0.3) ? { min_pool_size: random.between(1, size) } : {}),
        };
      });
  const waitsMax = more.chance(0.1) ? 0 : 600_000;
  const isLoud = more.chance(0.1);
  const pool = (database: string) => ({
    server_host: '127.0.0.1',
    server_port: 5432,
    pool_mode: isSession ? 'session' : 'transaction',
    users: usersOf(database),
  });
  const configuration = configurationSchema.parse({
    general: {
      worker_threads: random.between(1, 4),
      worker_fill_percent: random.chance(0.5) ? 0 : 50,
      scaling_warm_pool_ratio: random.pick([0, 20, 100]),
      scaling_fast_retries: random.pick([0, 10]),
      scaling_cooldown_sleep: random.pick(['0ms', '10ms', '40ms']),
      query_wait_timeout: isFair ? 600_000 : Math.min(waitsMax, random.pick([300, 2000, 600_000])),
      prepared_statements_cache_size: random.pick([1, 3, 100]),
      client_prepared_statements_cache_size: random.pick([0, 0, 8]),
      server_round_robin: random.chance(0.5),
      sync_server_parameters: syncs,
      max_concurrent_creates: random.pick([1, 2, 4]),
      ...(random.chance(0.4)
        ? {
            server_lifetime: random.pick(['300ms', '2s']),
            idle_timeout: random.pick(['150ms', '1s']),
            retain_connections_time: random.pick(['100ms', '1s']),
            retain_connections_max: random.pick([0, 1, 3]),
          }
        : {}),
      ...(random.chance(0.3) ? { server_idle_check_timeout: random.pick(['20ms', '100ms']) } : {}),
      ...(isFair || random.chance(0.8) ? {} : { max_memory_usage: random.pick(['20KB', '100KB']) }),
      ...(isFair || random.chance(0.8)
        ? {}
        : { message_size_to_be_stream: '10KB', proxy_copy_data_timeout: '300ms' }),
    },
    pools: Object.fromEntries(
      [...new Set(pools.map(({ database }) => database))].map((name) => [name, pool(name)]),
    ),
  });
  const rules = [
    {
      type: 'host',
      databases: [],
      users: [],
      network: { address: '127.0.0.1', prefixLength: 32 },
      method: 'trust',
      line: 1,
    },
  ] as const;
  const resolved = await resolveSettings({
    configuration,
    accessRules: null,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    files: [],
  });
  const luck: BadLuck = {
    ...(isFair || random.chance(0.4)
      ? NO_BAD_LUCK
      : {
          refused: rate(0.1),
          hangs: rate(0.03),
          sessionEnds: rate(0.005),
          noDescriptors: rate(0.05, 0.3),
        }),
    notices: Math.max(isLoud ? 0.9 : 0, rate(random.pick([0.02, 0.2]))),
    noticeLength: isLoud ? 2000 : 0,
  };
  const pauses = rate(0.5, 0.3);
  const trouble: Trouble = {
    ...(isFair || random.chance(0.4)
      ? NO_TROUBLE
      : { ...NO_TROUBLE, kills: rate(0.5), removals: rate(0.3), deaths: rate(0.2) }),
    ...(isFair ? {} : { stops: seldom(0.1, 0.15), restarts: seldom(0.05, 0.15) }),
    hasManyMoves: more.chance(0.15),
    reloadsAtOnce: more.chance(0.2) ? 4 : 1,
    otherHosts: more.chance(0.2) ? 0.6 : 0.2,
    upgrades: isFair && isSession ? 0 : rate(0.05, 0.3),
    reloads: rate(1, 0.4),
    pauses,
    reconnects: rate(0.5, 0.3),
  };
  const isUnlucky = luck.refused + luck.hangs + luck.sessionEnds + luck.noDescriptors > 0;
  const isCalm = !isUnlucky && trouble.deaths + trouble.stops + trouble.restarts === 0;
  return {
    clients,
    manners: {
      vanishes: isFair ? 0 : rate(0.06),
      stalls: rate(0.05),
      stallsMax: more.chance(0.15) ? 5_000 : 400,
      cancels: isFair ? 0 : rate(0.3),
      breaks: isFair ? 0 : rate(0.03),
      badLogins: rate(0.2),
      staysShort: seldom(0.5, 0.2),
      repeats: yetMore.chance(0.4) ? yetMore.below(1000) / 1000 : 0,
      large: rate(0.02),
      sleeps: random.pick([0, 0, 0.5]),
      thinks: random.pick([1, 5, 30]),
      keepsItsSession: isSession,
      keepsItsParameters: syncs,
      cancelsAreExact: isCalm && trouble.upgrades + trouble.reloads === 0,
      expectsBadNews: !isFair,
    },
    luck,
    network: {
      splits: random.pick([0.05, 0.3, 0.6, 0.9]),
      joins: random.pick([0.1, 0.5, 0.9]),
      partial: rate(0.2),
      late: rate(0.03),
      latePosts: random.pick([0.03, 0.03, 0.3]),
    },
    trouble,
    busyMaxMs: more.chance(0.3) ? 200 : 1200,
    resolved: { settings: { ...resolved.settings, accessRules: rules }, pools: resolved.pools },
  };
}
