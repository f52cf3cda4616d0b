/** What the console looks at, made by hand: two databases with three pools between them, and a worker with a client and
 *  a server of each kind. */
import type { Configuration } from '../../../../src/config/load.js';
import { configurationSchema } from '../../../../src/config/settings/configuration.js';
import type { ConsoleContext, PoolControl } from '../../../../src/control/admin/command.js';
import { AdminConsole } from '../../../../src/control/admin/console.js';
import { ConsoleSession } from '../../../../src/control/admin/console-session.js';
import type { AuthQuerySnapshot } from '../../../../src/control/auth-query/counters.js';
import { resolveSettings } from '../../../../src/control/data-plane-settings.js';
import { Log } from '../../../../src/control/logs.js';
import { Statistics } from '../../../../src/control/statistics.js';
import { Counter, Counters, countersBytes } from '../../../../src/pooler/counters.js';
import type {
  ClientSnapshot,
  PoolSnapshot,
  ServerSnapshot,
  StatementSnapshot,
  WaitSnapshot,
  WorkerSnapshot,
} from '../../../../src/pooler/thread-messages.js';
import { type Message, query, takeMessages, values } from '../../../support/messages.js';
import { NO_TOKEN_KEYS } from '../../../support/token-keys.js';

const CONFIGURATION: Configuration = configurationSchema.parse({
  general: { admin_password: 'admin-secret', port: 6432, hba: ['10.0.0.0/8'] },
  pools: {
    shop: {
      server_host: '10.0.0.1',
      server_port: 5433,
      server_database: 'shop_v2',
      auth_query: {
        query: 'SELECT 1',
        user: 'asker',
        password: 'asker-secret',
        server_password: 'data-secret',
      },
      users: [
        {
          username: 'alice',
          password: 'alice-secret',
          server_username: 'alice_v2',
          server_password: 'server-secret',
          pool_size: 7,
          min_pool_size: 2,
        },
        { username: 'bob', pool_mode: 'session' },
      ],
    },
    mail: { server_host: '/var/run/postgresql', users: [{ username: 'alice' }] },
  },
});

const CLIENT: ClientSnapshot = {
  id: 5,
  database: 'shop',
  user: 'alice',
  applicationName: 'till',
  isTls: false,
  address: '10.1.2.3:4567',
  state: 'active',
  wait: 'read',
  transactions: 11,
  queries: 22,
  errors: 3,
  ageMs: 61_999,
};

const SERVER: ServerSnapshot = {
  id: 8,
  processId: 4242,
  database: 'shop',
  user: 'alice',
  applicationName: 'pg_doorman',
  isTls: false,
  state: 'active',
  wait: 'write',
  transactions: 31,
  queries: 32,
  bytesSent: 1000,
  bytesReceived: 2000,
  ageMs: 5500,
  preparedHits: 40,
  preparedMisses: 4,
  preparedSize: 3,
};

const POOL: PoolSnapshot = {
  pool: 0,
  clientsIdle: 1,
  clientsActive: 2,
  clientsWaiting: 3,
  cancelRequests: 4,
  serversActive: 5,
  serversIdle: 6,
  serversUsed: 7,
  serversLogin: 8,
  longestWaitMs: 2500.25,
  oldestActiveMs: 1234.5,
  isPaused: false,
};

const WAIT: WaitSnapshot = {
  worker: 2,
  pool: 0,
  client: 5,
  applicationName: 'till',
  address: '10.1.2.3:4567',
  state: 'active',
  ms: 1500.9,
  server: 8,
  processId: 4242,
  statement: "select * from t where name = 'Smith'",
};

const WAITING: WaitSnapshot = { ...WAIT, client: 7, state: 'waiting', server: 0, processId: 0 };

const STATEMENT: StatementSnapshot = {
  pool: 0,
  hash: 0xbeef,
  name: 'DOORMAN_abc',
  query: "select 'x' from t where i = $1",
  uses: 3,
};

export const SNAPSHOT: WorkerSnapshot = {
  clients: [
    CLIENT,
    { ...CLIENT, id: 6, state: 'idle', wait: 'idle' },
    { ...CLIENT, id: 7, state: 'waiting' },
  ],
  servers: [SERVER, { ...SERVER, id: 9, state: 'idle' }, { ...SERVER, id: 10, state: 'login' }],
  pools: [POOL, { ...POOL, pool: 1, longestWaitMs: 0, isPaused: true }, { ...POOL, pool: 2 }],
  waits: [
    { ...WAIT, pool: 1, client: 20, ms: 9000 },
    WAIT,
    { ...WAITING, client: 8, ms: 10 },
    WAITING,
    { ...WAIT, client: 9, state: 'idle in transaction', ms: 2000 },
  ],
  logins: 2,
  connections: { total: 100, errors: 9, tls: 30, plain: 60, cancel: 10 },
};

const WORKERS = [
  { worker: 0, isAlive: true, clients: 5, servers: 2, busyPermille: 347, requestsASecond: 700, handOvers: 3 },
  { worker: 1, isAlive: false, clients: 0, servers: 0, busyPermille: 0, requestsASecond: 0, handOvers: 0 },
];

const AUTH_QUERY: AuthQuerySnapshot = {
  database: 'shop',
  cache_entries: 1,
  cache_hits: 2,
  cache_misses: 3,
  cache_refetches: 4,
  cache_rate_limited: 5,
  auth_success: 6,
  auth_failure: 7,
  executor_queries: 8,
  executor_errors: 9,
  dynamic_pools_current: 10,
  dynamic_pools_created: 11,
  dynamic_pools_destroyed: 12,
};

export interface Bench {
  readonly console: ConsoleSession;
  readonly counters: (pool: number) => Counters;
  readonly statistics: Statistics;
  /** How often the console asked for the end. */
  readonly shutDowns: () => number;
  /** What it asked of the pools. */
  readonly asked: string[];
  /** What went wrong that no client should see. */
  readonly failures: unknown[];
}

/** A console and what it looks at, in a state of its own. */
export async function bench(changes: Partial<ConsoleContext> = {}): Promise<Bench> {
  const loaded = {
    configuration: CONFIGURATION,
    accessRules: null,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    files: [],
  };
  const { pools } = await resolveSettings(loaded);
  const memory = new SharedArrayBuffer(countersBytes(pools.length));
  const statistics = new Statistics(memory, 1, () => pools.entries());
  let shutDowns = 0;
  const asked: string[] = [];
  const note = (command: string, database: string | null): void => {
    asked.push(database === null ? command : `${command} ${database}`);
  };
  const poolControl: PoolControl = {
    pause: async (database) => note('pause', database),
    resume: async (database) => {
      note('resume', database);
      return database !== 'mail';
    },
    reconnect: async (database) => note('reconnect', database),
    kill: async (database) => note('kill', database),
  };
  const context: ConsoleContext = {
    configuration: () => CONFIGURATION,
    pools: { all: () => pools.entries(), at: (pool) => pools[pool] ?? null },
    statistics,
    snapshot: () => Promise.resolve(SNAPSHOT),
    statements: () =>
      Promise.resolve([STATEMENT, { ...STATEMENT, name: 'DOORMAN_def', pool: 2 }, { ...STATEMENT, uses: 4 }]),
    workers: () => WORKERS,
    log: new Log({ level: 'info', format: 'text', hasColor: false }, () => undefined),
    poolControl,
    killClient: async (id) => {
      note('kill_client', String(id));
      return id === 5;
    },
    authQuery: () => [AUTH_QUERY],
    shutDown: () => {
      shutDowns++;
    },
    reload: () => Promise.resolve([]),
    upgrade: () => Promise.resolve(),
    ...changes,
  };
  const failures: unknown[] = [];
  return {
    console: new ConsoleSession(new AdminConsole(context), (error) => failures.push(error)),
    asked,
    failures,
    counters: (pool) => new Counters(memory, pool),
    statistics,
    shutDowns: () => shutDowns,
  };
}

/** The messages that answer a command. */
export function answer(console: ConsoleSession, sql: string): Promise<Message[]> {
  return answerTo(console, query(sql));
}

/** The messages that answer these. */
export async function answerTo(console: ConsoleSession, ...sent: Buffer[]): Promise<Message[]> {
  const { messages, rest } = takeMessages(Buffer.from(await console.answer(Buffer.concat(sent))));
  if (rest.length > 0) throw new Error(`${rest.length} bytes are no message`);
  return messages;
}

export const tags = (messages: readonly Message[]): string => messages.map(({ tag }) => tag).join('');

export interface Table {
  readonly columns: readonly { readonly name: string; readonly typeOid: number }[];
  readonly rows: readonly (string | null)[][];
}

/** Columns and rows of an answer. */
export async function table(console: ConsoleSession, sql: string): Promise<Table> {
  const messages = await answer(console, sql);
  const description = messages.find(({ tag }) => tag === 'T');
  return {
    columns: description === undefined ? [] : columnsOf(description.body),
    rows: messages.filter(({ tag }) => tag === 'D').map(values),
  };
}

/** RowDescription: a count, and for each column its name and 18 bytes more, the type 6 bytes into them. */
function columnsOf(body: Buffer): Table['columns'] {
  const columns: { name: string; typeOid: number }[] = [];
  for (let at = 2; at < body.length; ) {
    const end = body.indexOf(0, at);
    columns.push({ name: body.toString('utf8', at, end), typeOid: body.readInt32BE(end + 7) });
    at = end + 19;
  }
  return columns;
}

export const counted = (counters: Counters, amounts: readonly [Counter, number][]): void => {
  for (const [counter, amount] of amounts) counters.add(counter, amount);
};
