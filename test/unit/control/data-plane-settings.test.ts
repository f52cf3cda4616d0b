/** From the configuration as it was written to what the workers are handed. */
import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import type { LoadedConfiguration } from '../../../src/config/load.js';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { type Resolved, resolveSettings, serverAddress } from '../../../src/control/data-plane-settings.js';
import { type ClientSecret, PoolMode, type PoolSettings } from '../../../src/pooler/settings.js';
import { NO_TOKEN_KEYS } from '../../support/token-keys.js';

function settingsOf(
  written: Record<string, unknown>,
  more: Partial<LoadedConfiguration> = {},
): Promise<Resolved> {
  const configuration = configurationSchema.parse(written);
  return resolveSettings({
    configuration,
    accessRules: null,
    tlsFiles: new Map(),
    tokenKeys: NO_TOKEN_KEYS,
    files: [],
    ...more,
  });
}

/** The only pool of one user, with what is written in general, the pool and the user. */
async function poolOf(parts: {
  general?: Record<string, unknown>;
  pool?: Record<string, unknown>;
  user?: Record<string, unknown>;
}): Promise<PoolSettings> {
  const { pools } = await settingsOf({
    general: parts.general ?? {},
    pools: { mydb: { ...parts.pool, users: [{ username: 'alice', ...parts.user }] } },
  });
  const [pool] = pools;
  assert.ok(pool);
  return pool;
}

test('what is written in general reaches the workers', async () => {
  const { general } = configurationSchema.parse({});
  const { settings, pools } = await settingsOf({
    general: {
      host: '10.0.0.1',
      port: 6432,
      io_backend: 'epoll',
      worker_threads: 10,
      worker_fill_percent: 9,
      worker_cpu_affinity_pinning: true,
      max_connections: 11,
      query_wait_timeout: '13s',
      server_idle_check_timeout: '14s',
      server_round_robin: true,
      retain_connections_time: '15s',
      retain_connections_max: 16,
      prepared_statements: false,
      prepared_statements_cache_size: 17,
      client_prepared_statements_cache_size: 18,
      sync_server_parameters: true,
      max_memory_usage: '26K',
      message_size_to_be_stream: '27K',
      proxy_copy_data_timeout: '28s',
      pooler_check_query: 'SELECT 1',
      log_client_connections: false,
      log_client_disconnections: false,
      clock_resolution_statistics: '2ms',
      shutdown_timeout: '19s',
      unix_socket_buffer_size: '20K',
      tcp_no_delay: false,
      tcp_keepalives_count: 21,
      tcp_keepalives_idle: 22,
      tcp_keepalives_interval: 23,
      tcp_so_linger: 24,
      tcp_user_timeout: 25,
    },
  });
  const { admin, accessRules, clientTls, ...plain } = settings;
  assert.deepEqual(plain, {
    host: '10.0.0.1',
    port: 6432,
    backlog: 11,
    ioBackend: 'epoll',
    workerThreads: 10,
    workerFillPercent: 9,
    workerCpuAffinityPinning: true,
    maxConnections: 11,
    queryWaitTimeoutMs: 13_000,
    serverIdleCheckTimeoutMs: 14_000,
    serverRoundRobin: true,
    retainConnectionsTimeMs: 15_000,
    retainConnectionsMax: 16,
    preparedStatements: false,
    preparedStatementsCacheSize: 17,
    clientPreparedStatementsCacheSize: 18,
    syncServerParameters: true,
    hasTalosKeys: false,
    maxMemoryUsage: 26_624,
    messageSizeToBeStream: 27_648,
    proxyCopyDataTimeoutMs: 28_000,
    poolerCheckQuery: 'SELECT 1',
    logClientConnections: false,
    logClientDisconnections: false,
    clockResolutionMs: 2,
    shutdownTimeoutMs: 19_000,
    unixSocketBufferSize: 20_480,
    tcp: {
      noDelay: false,
      keepalivesCount: 21,
      keepalivesIdleS: 22,
      keepalivesIntervalS: 23,
      lingerS: 24,
      userTimeoutS: 25,
    },
  });
  assert.equal(clientTls.isRequired, false);
  assert.equal(admin.username, general.admin_username);
  assert.equal(accessRules, null);
  assert.deepEqual(pools, []);
});

test('a backlog that is written wins over max_connections', async () => {
  const {
    settings: { backlog },
  } = await settingsOf({ general: { max_connections: 100, backlog: 7 } });
  assert.equal(backlog, 7);
});

test('clients must use TLS in the modes require and verify-full', async () => {
  const files = { tls_certificate: '/c', tls_private_key: '/k', tls_ca_cert: '/a' };
  for (const [mode, wanted] of [
    ['allow', false],
    ['disable', false],
    ['require', true],
    ['verify-full', true],
  ] as const) {
    const {
      settings: { clientTls },
    } = await settingsOf({ general: { tls_mode: mode, ...files } });
    assert.equal(clientTls.isRequired, wanted, mode);
  }
});

test('the rules of access are handed on as they were read', async () => {
  const rule = { type: 'local', databases: [], users: [], network: null, method: 'trust', line: 1 } as const;
  const {
    settings: { accessRules },
  } = await settingsOf({}, { accessRules: [rule] });
  assert.deepEqual(accessRules, [rule]);
});

test('there is a pool for each database and user, in the order of the file', async () => {
  const { pools } = await settingsOf({
    pools: {
      b: { server_host: '10.0.0.1', users: [{ username: 'y' }, { username: 'x' }] },
      a: { server_host: '10.0.0.1', users: [{ username: 'x' }] },
      empty: {},
    },
  });
  assert.deepEqual(
    pools.map(({ database, user }) => `${database}/${user}`),
    ['b/y', 'b/x', 'a/x'],
  );
});

test('a pool without anything written has the defaults', async () => {
  const { clientSecret, serverSecret, ...pool } = await poolOf({});
  assert.deepEqual(pool, {
    database: 'mydb',
    user: 'alice',
    isDynamic: false,
    address: { kind: 'tcp', host: '127.0.0.1', port: 5432 },
    serverHost: '127.0.0.1',
    serverTls: { id: pool.serverTls.id, mode: 'disable', authorities: '', checksHost: false, identity: null },
    serverDatabase: 'mydb',
    serverUser: 'alice',
    mode: PoolMode.Transaction,
    poolSize: 40,
    minPoolSize: 0,
    maxConcurrentCreates: 4,
    scalingWarmPoolRatio: 20,
    scalingFastRetries: 10,
    scalingCooldownSleepMs: 10,
    applicationName: 'pg_doorman',
    connectTimeoutMs: 3000,
    idleTimeoutMs: 600_000,
    serverLifetimeMs: 1_200_000,
    cleanupServerConnections: true,
    logClientParameterStatusChanges: false,
  });
  assert.deepEqual([clientSecret, serverSecret], [{ kind: 'none' }, { kind: 'none' }]);
});

test('in dedicated mode of auth_query there is one pool more, that nobody finds by its names', async () => {
  const section = { query: 'q', user: 'asker', default_pool_size: 7 };
  const poolsWith = async (more: Record<string, unknown>) =>
    (
      await settingsOf({
        pools: { shop: { auth_query: { ...section, ...more }, users: [{ username: 'ann' }] } },
      })
    ).pools;
  assert.equal((await poolsWith({})).length, 1);
  const [, shared] = await poolsWith({ server_user: 'app', server_password: 'secret' });
  assert.ok(shared);
  const { user, isDynamic, serverUser, poolSize, minPoolSize, clientSecret, serverSecret } = shared;
  assert.deepEqual([user, isDynamic, serverUser, poolSize, minPoolSize], ['app', true, 'app', 7, 0]);
  assert.deepEqual([clientSecret, serverSecret], [{ kind: 'none' }, { kind: 'plain', password: 'secret' }]);
  assert.deepEqual((await poolsWith({ server_user: 'app' }))[1]?.serverSecret, { kind: 'none' });
});

test("the server's database and user may have other names than the client's", async () => {
  const pool = await poolOf({ pool: { server_database: 'mydb_v2' }, user: { server_username: 'alice_v2' } });
  assert.deepEqual([pool.serverDatabase, pool.serverUser], ['mydb_v2', 'alice_v2']);
  assert.deepEqual([pool.database, pool.user], ['mydb', 'alice']);
});

const general = { connect_timeout: 1, idle_timeout: 2, server_lifetime: 3 };

test('how a pool grows is written in general or in the pool, and min_pool_size with the user', async () => {
  const growth = (pool: PoolSettings): number[] => [
    pool.maxConcurrentCreates,
    pool.scalingWarmPoolRatio,
    pool.scalingFastRetries,
    pool.scalingCooldownSleepMs,
  ];
  const general = {
    max_concurrent_creates: 1,
    scaling_warm_pool_ratio: 2,
    scaling_fast_retries: 3,
    scaling_cooldown_sleep: '4ms',
  };
  const own = {
    max_concurrent_creates: 8,
    scaling_warm_pool_ratio: 5,
    scaling_fast_retries: 6,
    scaling_cooldown_sleep: '7ms',
  };
  assert.deepEqual(growth(await poolOf({ general })), [1, 2, 3, 4]);
  assert.deepEqual(growth(await poolOf({ general, pool: own })), [8, 5, 6, 7]);
  assert.equal((await poolOf({ user: { min_pool_size: 8 } })).minPoolSize, 8);
});

test('timeouts that are written in general hold for every pool', async () => {
  const pool = await poolOf({ general });
  assert.deepEqual([pool.connectTimeoutMs, pool.idleTimeoutMs, pool.serverLifetimeMs], [1, 2, 3]);
});

test("a pool's timeouts win over the general ones, 0 too", async () => {
  const pool = await poolOf({ general, pool: { connect_timeout: 4, idle_timeout: 0, server_lifetime: 0 } });
  assert.deepEqual([pool.connectTimeoutMs, pool.idleTimeoutMs, pool.serverLifetimeMs], [4, 0, 0]);
});

test("a user's server_lifetime wins over the pool's, 0 too", async () => {
  for (const lifetime of [0, 9]) {
    const pool = await poolOf({ general, pool: { server_lifetime: 6 }, user: { server_lifetime: lifetime } });
    assert.equal(pool.serverLifetimeMs, lifetime);
  }
});

test("a user's pool_mode wins over the pool's", async () => {
  const modes = async (pool: string, user?: string): Promise<PoolMode> =>
    (await poolOf({ pool: { pool_mode: pool }, user: user === undefined ? {} : { pool_mode: user } })).mode;
  assert.equal(await modes('session'), PoolMode.Session);
  assert.equal(await modes('session', 'transaction'), PoolMode.Transaction);
  assert.equal(await modes('transaction', 'session'), PoolMode.Session);
});

test('a directory stands for the unix socket in it', async () => {
  assert.deepEqual(await serverAddress('/var/run/postgresql', 5433), {
    kind: 'unix',
    path: '/var/run/postgresql/.s.PGSQL.5433',
  });
});

test('an address stays as it is, of either family', async () => {
  for (const host of ['10.0.0.1', '::1']) {
    assert.deepEqual(await serverAddress(host, 5432), { kind: 'tcp', host, port: 5432 });
  }
});

const MD5 = 'md58a67a0c805a5ee0384ea28e0dea557b6';
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const STORED = Buffer.from('WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=', 'base64');
const SERVER = Buffer.from('wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=', 'base64');
const SCRAM = `SCRAM-SHA-256$4096:${SALT.toString('base64')}$${STORED.toString('base64')}:${SERVER.toString('base64')}`;

test('an MD5 hash is what clients are compared with, and what logs in to the server', async () => {
  const pool = await poolOf({ user: { password: MD5 } });
  assert.deepEqual(pool.clientSecret, { kind: 'md5', hash: MD5 });
  assert.deepEqual(pool.serverSecret, { kind: 'md5', hash: MD5 });
});

test('a SCRAM verifier is what clients are compared with; the server is logged in to by what a client proves', async () => {
  const pool = await poolOf({ user: { password: SCRAM } });
  assert.deepEqual(pool.clientSecret, {
    kind: 'scram',
    iterations: 4096,
    salt: new Uint8Array(SALT),
    storedKey: new Uint8Array(STORED),
    serverKey: new Uint8Array(SERVER),
  });
  assert.deepEqual(pool.serverSecret, { kind: 'scram-passthrough' });
});

/** Whether a password has this verifier. RFC 5802, section 3. */
function isVerifierOf(secret: ClientSecret, password: string): boolean {
  if (secret.kind !== 'scram') return false;
  const salted = pbkdf2Sync(password, secret.salt, secret.iterations, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest();
  return storedKey.equals(secret.storedKey) && hmac('Server Key').equals(secret.serverKey);
}

test('a plain password is compared by a SCRAM verifier of its own, and logs in to the server as it is', async () => {
  const pool = await poolOf({ user: { password: 'correct horse' } });
  assert.ok(isVerifierOf(pool.clientSecret, 'correct horse'));
  assert.ok(!isVerifierOf(pool.clientSecret, 'correct horsf'));
  assert.deepEqual(pool.serverSecret, { kind: 'plain', password: 'correct horse' });
});

test('the same plain password has another salt each time', async () => {
  const [one, two] = [await poolOf({ user: { password: 'x' } }), await poolOf({ user: { password: 'x' } })];
  assert.ok(one.clientSecret.kind === 'scram' && two.clientSecret.kind === 'scram');
  assert.notDeepEqual(one.clientSecret.salt, two.clientSecret.salt);
});

test('a password is compared in the form that clients prepare it in', async () => {
  const pool = await poolOf({ user: { password: 'ﬁsh' } }); // a ligature, NFKC: two letters
  assert.ok(isVerifierOf(pool.clientSecret, 'fish'));
});

test('the password of the admin is no plain text in the workers', async () => {
  const {
    settings: { admin },
  } = await settingsOf({ general: { admin_username: 'root', admin_password: 'hidden' } });
  assert.equal(admin.username, 'root');
  assert.ok(isVerifierOf(admin.secret, 'hidden'));
});

test('a token, and a password for PAM, are compared elsewhere, and log in to no server', async () => {
  for (const [kind, user] of [
    ['jwt', { password: 'jwt-pkey-fpath:/etc/key.pem' }],
    ['pam', { auth_pam_service: 'doorman' }],
    ['pam', { auth_pam_service: 'doorman', password: 'jwt-pkey-fpath:/etc/key.pem' }],
  ] as const) {
    const pool = await poolOf({ user });
    assert.deepEqual(pool.clientSecret, { kind });
    assert.deepEqual(pool.serverSecret, { kind: 'none' });
  }
});

test('the admin console takes no tokens', async () => {
  const {
    settings: { admin },
  } = await settingsOf({ general: { admin_password: 'jwt-pkey-fpath:/etc/key.pem' } });
  assert.equal(admin.secret.kind, 'unusable');
});

test('server_password logs in to the server, whatever clients are compared with', async () => {
  for (const password of [MD5, SCRAM, 'plain', '', 'jwt-pkey-fpath:/k']) {
    const pool = await poolOf({ user: { password, server_username: 'bob', server_password: 'other' } });
    assert.deepEqual(pool.serverSecret, { kind: 'plain', password: 'other' });
  }
});

test("another user at the server is never logged in with the client's secret", async () => {
  for (const password of [MD5, SCRAM, 'plain']) {
    const pool = await poolOf({ user: { password, server_username: 'bob' } });
    assert.deepEqual(pool.serverSecret, { kind: 'none' });
  }
});

test('server_username that is the same name changes nothing', async () => {
  const pool = await poolOf({ user: { password: MD5, server_username: 'alice' } });
  assert.deepEqual(pool.serverSecret, { kind: 'md5', hash: MD5 });
});

test('what the workers are handed can be posted to a thread', async () => {
  const users = [
    { username: 'a', password: SCRAM },
    { username: 'b', password: 'p' },
  ];
  const settings = await settingsOf({ pools: { x: { server_host: '::1', users } } });
  const posted = structuredClone(settings);
  assert.equal(JSON.stringify(withoutBytes(posted)), JSON.stringify(withoutBytes(settings)));
  const [pool] = posted.pools;
  assert.ok(pool?.clientSecret.kind === 'scram');
  assert.deepEqual(Buffer.from(pool.clientSecret.storedKey), STORED);
});

function withoutBytes({ settings, pools: resolved }: Resolved): unknown {
  const pools = resolved.map((pool) => ({ ...pool, clientSecret: pool.clientSecret.kind }));
  const clientTls = { ...settings.clientTls, ticketKeys: settings.clientTls.ticketKeys.length };
  return { ...settings, pools, clientTls, admin: settings.admin.username };
}
