/** What workers are answered about users who are not listed, and what is counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { configurationSchema } from '../../../../src/config/settings/configuration.js';
import { AuthQueries } from '../../../../src/control/auth-query/auth-queries.js';
import type { AuthQuerySnapshot } from '../../../../src/control/auth-query/counters.js';
import { QueryFailed } from '../../../../src/control/auth-query/credential-cache.js';
import { databaseSettings } from '../../../../src/control/auth-query/database-auth-query.js';
import type { ExecutorConnection } from '../../../../src/control/auth-query/executor-connection.js';
import type { ToWorker, UserAnswer } from '../../../../src/pooler/thread-messages.js';
import { NO_TOKEN_KEYS } from '../../../support/token-keys.js';
import { PoolsInMemory } from './pools-in-memory.js';

const MD5 = `md5${'a'.repeat(32)}`;
const NEW_MD5 = `md5${'b'.repeat(32)}`;
const DEDICATED = { server_user: 'shared' };
const SHARED_POOL = 77;

type Section = Record<string, unknown>;

/** PostgreSQL: everybody whose name is in the table. */
class Table {
  readonly passwords = new Map<string, [passwd: string, valuntil?: Date]>([['ann', [MD5]]]);
  readonly asked: string[] = [];
  error: Error | null = null;
  /** Connections. */
  closed = 0;

  async ask(user: string) {
    this.asked.push(user);
    if (this.error !== null) throw this.error;
    const row = this.passwords.get(user);
    return { columns: ['passwd', 'valuntil'], rows: row === undefined ? [] : [row] };
  }

  connection(): ExecutorConnection {
    return {
      isOpen: true,
      ask: (user) => this.ask(user),
      close: () => {
        this.closed++;
      },
    };
  }
}

class Bench {
  now = 1_000_000;
  isDown = false;
  readonly table = new Table();
  readonly pools = new PoolsInMemory();
  readonly warnings: string[] = [];
  /** By worker and request. */
  readonly answers = new Map<string, UserAnswer>();
  readonly queries: AuthQueries;
  connections = 0;

  constructor(databases: Record<string, Section> = { shop: { auth_query: DEDICATED } }) {
    this.queries = new AuthQueries({
      pools: this.pools,
      sharedPool: () => SHARED_POOL,
      connect: async () => {
        if (this.isDown) throw new Error('connection refused');
        this.connections++;
        return this.table.connection();
      },
      clocks: { steadyMs: () => this.now, wallMs: () => this.now },
      warn: (text) => void this.warnings.push(text),
      post: (worker, message) => this.take(worker, message),
    });
    this.configure(databases);
  }

  configure(databases: Record<string, Section>): void {
    const pools = Object.entries(databases).map(([name, { auth_query, ...more }]) => {
      const section =
        auth_query === undefined
          ? {}
          : { auth_query: { query: 'select $1', user: 'asker', ...Object(auth_query) } };
      return [name, { ...section, ...more }];
    });
    const configuration = configurationSchema.parse({ pools: Object.fromEntries(pools) });
    const loaded = {
      configuration,
      accessRules: null,
      tlsFiles: new Map(),
      tokenKeys: NO_TOKEN_KEYS,
      files: [],
    };
    this.queries.configure(databaseSettings(loaded));
  }

  async ask(request: number, user: string, isRefetch = false, worker = 0): Promise<UserAnswer | undefined> {
    await this.queries.findUser(worker, { type: 'findUser', request, database: 'shop', user, isRefetch });
    return this.answers.get(`${worker} ${request}`);
  }

  get row(): AuthQuerySnapshot {
    const [row] = this.queries.snapshot();
    assert.ok(row);
    return row;
  }

  private take(worker: number, message: ToWorker): void {
    assert.ok(message.type === 'userFound');
    this.answers.set(`${worker} ${message.request}`, message.answer);
  }
}

test('a user who is found gets the shared pool in dedicated mode', async () => {
  const bench = new Bench();
  assert.deepEqual(await bench.ask(1, 'ann'), {
    kind: 'user',
    pool: SHARED_POOL,
    secret: { kind: 'md5', hash: MD5 },
  });
});

test('in passthrough mode everybody gets a pool', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  bench.table.passwords.set('bob', [NEW_MD5]);
  const pools = [];
  for (const [request, user] of ['ann', 'bob', 'ann'].entries()) {
    const answer = await bench.ask(request, user);
    pools.push(answer?.kind === 'user' && answer.pool);
  }
  assert.deepEqual(pools, [0, 1, 0]);
  const { dynamic_pools_current, dynamic_pools_created, dynamic_pools_destroyed } = bench.row;
  assert.deepEqual([dynamic_pools_current, dynamic_pools_created, dynamic_pools_destroyed], [2, 2, 0]);
});

test('a pool waits for the logins that know it, and for those of a worker that has died no longer', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  await bench.ask(1, 'ann', false, 0);
  await bench.ask(1, 'ann', false, 1);
  bench.pools.empty.add(0);
  bench.queries.loginOver(0, 1, 'success');
  bench.queries.collect();
  await setImmediate();
  assert.deepEqual(bench.pools.closed, []);
  bench.queries.workerDied(1);
  bench.queries.collect();
  await setImmediate();
  assert.deepEqual(bench.pools.closed, [0]);
});

test('a login that is over when the answer comes holds nothing and gets nothing', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  const answer = bench.ask(1, 'ann');
  bench.queries.loginOver(0, 1, 'other');
  assert.equal(await answer, undefined);
  bench.pools.empty.add(0);
  bench.queries.collect();
  await setImmediate();
  assert.deepEqual(bench.pools.closed, [0]);
});

test('strangers are asked for a password like everybody else, each always with the same salt', async () => {
  const bench = new Bench();
  const saltOf = async (request: number, user: string): Promise<string> => {
    const answer = await bench.ask(request, user);
    assert.ok(answer?.kind === 'stranger' && answer.secret.kind === 'scram');
    assert.equal(answer.secret.iterations, 4096);
    return Buffer.from(answer.secret.salt).toString('hex');
  };
  const salt = await saltOf(1, 'nobody');
  assert.equal(await saltOf(2, 'nobody'), salt);
  assert.notEqual(await saltOf(3, 'somebody'), salt);
});

test('strangers are asked for MD5 where the users have that', async () => {
  const bench = new Bench();
  await bench.ask(1, 'ann');
  const first = await bench.ask(2, 'nobody');
  assert.ok(first?.kind === 'stranger' && first.secret.kind === 'md5');
  assert.match(first.secret.hash, /^md5[0-9a-f]{32}$/);
  assert.deepEqual(await bench.ask(3, 'nobody'), first);
});

test('a user whose password has expired is a stranger since that moment', async () => {
  const bench = new Bench();
  bench.table.passwords.set('ann', [MD5, new Date(bench.now + 1000)]);
  assert.equal((await bench.ask(1, 'ann'))?.kind, 'user');
  bench.now += 999;
  assert.equal((await bench.ask(2, 'ann'))?.kind, 'user');
  bench.now += 1;
  assert.equal((await bench.ask(3, 'ann'))?.kind, 'stranger');
});

test('a password in a form that is none of PostgreSQL lets nobody in', async () => {
  const bench = new Bench();
  bench.table.passwords.set('ann', ['plain']);
  const answer = await bench.ask(1, 'ann');
  assert.ok(answer?.kind === 'stranger');
  assert.equal(answer.secret.kind, 'unusable');
  assert.doesNotMatch(JSON.stringify(answer), /plain/);
});

test('names of up to 256 bytes are asked for', async () => {
  const bench = new Bench();
  await bench.ask(1, 'é'.repeat(128));
  await bench.ask(2, `${'é'.repeat(128)}x`);
  bench.queries.loginOver(0, 2, 'wrongPassword');
  assert.deepEqual(bench.table.asked, ['é'.repeat(128)]);
  assert.equal(bench.row.cache_entries, 1);
});

test('a database without auth_query says so', async () => {
  const bench = new Bench({ shop: {} });
  assert.deepEqual(await bench.ask(1, 'ann'), { kind: 'none' });
  assert.deepEqual(bench.queries.snapshot(), []);
});

test('before the first connection it is not ready, later it has failed', async () => {
  const bench = new Bench();
  bench.isDown = true;
  bench.configure({ shop: { auth_query: { ...DEDICATED, pool_size: 1 } } });
  assert.deepEqual(await bench.ask(1, 'ann'), { kind: 'notReady' });
  bench.isDown = false;
  bench.now += 10_000;
  assert.equal((await bench.ask(2, 'ann'))?.kind, 'user');
  bench.table.error = new QueryFailed('permission denied');
  assert.deepEqual(await bench.ask(3, 'bob'), { kind: 'failed' });
  assert.match(bench.warnings.join('\n'), /auth_query of shop: permission denied/);
});

test('an answer that is none has failed, and is not asked for again at once', async () => {
  const bench = new Bench();
  bench.table.passwords.set('ann', [MD5, new Date(Number.NaN)]);
  assert.deepEqual(await bench.ask(1, 'ann'), { kind: 'failed' });
  assert.deepEqual(await bench.ask(2, 'ann'), { kind: 'failed' });
  assert.deepEqual(bench.table.asked, ['ann']);
  assert.match(bench.warnings.join('\n'), /auth_query of shop: valuntil or rolvaliduntil is no timestamp/);
});

test('a pool that cannot be opened has failed', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  bench.pools.isFull = true;
  await bench.ask(1, 'nobody');
  assert.deepEqual(await bench.ask(2, 'ann'), { kind: 'failed' });
  assert.match(bench.warnings.join('\n'), /cannot let ann in: too many pools/);
});

test('a wrong password is counted, and has the next login get a new answer', async () => {
  const bench = new Bench();
  await bench.ask(1, 'ann');
  bench.now += 1000;
  bench.table.passwords.set('ann', [NEW_MD5]);
  bench.queries.loginOver(0, 1, 'wrongPassword');
  assert.deepEqual(await bench.ask(2, 'ann'), {
    kind: 'user',
    pool: SHARED_POOL,
    secret: { kind: 'md5', hash: NEW_MD5 },
  });
  bench.queries.loginOver(0, 2, 'success');
  const { auth_failure, auth_success, cache_refetches, executor_queries } = bench.row;
  assert.deepEqual([auth_failure, auth_success, cache_refetches, executor_queries], [1, 1, 1, 2]);
});

test('a login that has asked again itself is not asked for once more', async () => {
  const bench = new Bench();
  await bench.ask(1, 'ann');
  bench.now += 1000;
  await bench.ask(1, 'ann', true);
  bench.queries.loginOver(0, 1, 'wrongPassword');
  assert.deepEqual(
    [bench.row.cache_refetches, bench.row.cache_rate_limited, bench.row.auth_failure],
    [1, 0, 1],
  );
});

test('a login that ends otherwise is neither success nor failure', async () => {
  const bench = new Bench();
  await bench.ask(1, 'ann');
  bench.queries.loginOver(0, 1, 'other');
  bench.queries.loginOver(0, 1, 'success');
  assert.deepEqual([bench.row.auth_success, bench.row.auth_failure], [0, 0]);
});

test('a RELOAD that changes nothing keeps cache, connections, counters and pools', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  await bench.ask(1, 'ann');
  bench.configure({ shop: { auth_query: {}, idle_timeout: 5 } });
  await bench.ask(2, 'ann');
  await setImmediate();
  assert.deepEqual([bench.connections, bench.table.asked.length], [1, 1]);
  assert.deepEqual([bench.row.cache_hits, bench.row.dynamic_pools_current], [1, 1]);
  assert.equal(bench.pools.settings(0).idleTimeoutMs, 5);
  assert.deepEqual(bench.pools.closed, []);
});

test('a RELOAD that changes auth_query or where it is asked begins anew', async () => {
  for (const change of [{ auth_query: { cache_ttl: 1 } }, { auth_query: {}, server_port: 5 }]) {
    const bench = new Bench({ shop: { auth_query: {} } });
    await bench.ask(1, 'ann');
    bench.configure({ shop: change });
    await bench.ask(2, 'ann');
    assert.deepEqual(bench.pools.closed, [0]);
    assert.equal(bench.table.asked.length, 2);
    assert.deepEqual([bench.row.cache_misses, bench.row.dynamic_pools_created], [1, 1]);
  }
});

test('a RELOAD without auth_query closes everything', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  await bench.ask(1, 'ann');
  bench.configure({ shop: {} });
  await setImmediate();
  assert.deepEqual(bench.pools.closed, [0]);
  assert.equal(bench.table.closed, 1);
  assert.deepEqual(await bench.ask(2, 'ann'), { kind: 'none' });
  bench.queries.loginOver(0, 1, 'success');
});

test('a user who is listed since a RELOAD loses the pool that auth_query gave', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  bench.table.passwords.set('bob', [MD5]);
  await bench.ask(1, 'ann');
  await bench.ask(2, 'bob');
  bench.configure({ shop: { auth_query: {}, users: [{ username: 'bob' }] } });
  await setImmediate();
  assert.deepEqual(bench.pools.closed, [1]);
});

test('a RELOAD in the middle of a question leaves no pool behind', async () => {
  const bench = new Bench({ shop: { auth_query: {} } });
  const answer = bench.ask(1, 'ann');
  bench.configure({ shop: {} });
  assert.deepEqual(await answer, { kind: 'failed' });
  await setImmediate();
  assert.equal(bench.pools.opened.length, bench.pools.closed.length);
});
