/** What each setting is when nothing is written. 3.3.1 documentation, "Settings"; where its changelog and successors
 *  corrected it (idle_timeout, server_lifetime), the corrected value. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { docs } from '../../../src/config/settings/fields.js';
import { fieldsOf } from '../../../src/config/settings/keys.js';

const GENERAL: Readonly<Record<string, unknown>> = {
  host: '0.0.0.0',
  port: 5432,
  backlog: 0,
  io_backend: 'auto', // ours
  max_connections: 8192,
  max_concurrent_creates: 4,
  tls_mode: 'allow',
  tls_ca_cert: undefined,
  tls_private_key: undefined,
  tls_certificate: undefined,
  tls_rate_limit_per_second: 0,
  daemon_pid_file: '/tmp/pg_doorman.pid',
  syslog_prog_name: undefined,
  log_client_connections: true,
  log_client_disconnections: true,
  worker_threads: 4,
  worker_fill_percent: 50,
  worker_cpu_affinity_pinning: false,
  tokio_global_queue_interval: undefined,
  tokio_event_interval: undefined,
  worker_stack_size: undefined,
  max_blocking_threads: undefined,
  connect_timeout: 3000,
  query_wait_timeout: 5000,
  idle_timeout: 600_000, // 3.3.1: 300,000,000, a mistake
  server_lifetime: 1_200_000, // 3.3.1: 5 minutes
  retain_connections_time: 30_000,
  retain_connections_max: 3,
  server_idle_check_timeout: 60_000,
  server_round_robin: false,
  sync_server_parameters: false,
  tcp_so_linger: 0,
  tcp_no_delay: true,
  tcp_keepalives_count: 5,
  tcp_keepalives_idle: 5,
  tcp_keepalives_interval: 5,
  tcp_user_timeout: 60,
  unix_socket_buffer_size: 1_048_576,
  admin_username: 'admin',
  admin_password: 'admin',
  prepared_statements: true,
  prepared_statements_cache_size: 8192,
  client_prepared_statements_cache_size: 0,
  message_size_to_be_stream: 1_048_576,
  scaling_warm_pool_ratio: 20,
  scaling_fast_retries: 10,
  scaling_cooldown_sleep: 10,
  max_memory_usage: 268_435_456,
  shutdown_timeout: 10_000,
  proxy_copy_data_timeout: 15_000,
  server_tls: false,
  server_tls_mode: undefined,
  server_tls_ca_cert: undefined,
  server_tls_certificate: undefined,
  server_tls_private_key: undefined,
  verify_server_certificate: false,
  hba: [],
  pg_hba: undefined,
  pooler_check_query: ';',
  clock_resolution_statistics: 0.1,
  talos: undefined,
};

const PROMETHEUS: Readonly<Record<string, unknown>> = { enabled: false, host: '0.0.0.0', port: 9127 };

const POOL: Readonly<Record<string, unknown>> = {
  server_host: '127.0.0.1',
  server_port: 5432,
  server_database: undefined,
  application_name: 'pg_doorman', // the documentation names none
  connect_timeout: undefined,
  idle_timeout: undefined,
  server_lifetime: undefined,
  pool_mode: 'transaction',
  server_tls_mode: undefined,
  server_tls_ca_cert: undefined,
  server_tls_certificate: undefined,
  server_tls_private_key: undefined,
  log_client_parameter_status_changes: false,
  cleanup_server_connections: true,
  max_concurrent_creates: undefined,
  scaling_warm_pool_ratio: undefined,
  scaling_fast_retries: undefined,
  scaling_cooldown_sleep: undefined,
  auth_query: undefined,
  users: [],
};

const USER: Readonly<Record<string, unknown>> = {
  username: 'alice', // must be written
  password: '',
  auth_pam_service: undefined,
  server_username: undefined,
  server_password: undefined,
  pool_size: 40,
  min_pool_size: undefined,
  pool_mode: undefined,
  server_lifetime: undefined,
};

const AUTH_QUERY: Readonly<Record<string, unknown>> = {
  query: 'SELECT 1', // must be written
  user: 'bob', // must be written
  password: '',
  database: undefined,
  pool_size: 2,
  server_user: undefined,
  server_password: undefined,
  default_pool_size: 40,
  cache_ttl: 3_600_000,
  cache_failure_ttl: 30_000,
  min_interval: 1000,
};

const NOTHING = configurationSchema.parse({ pools: { plain: {} } });
const BARE = configurationSchema.parse({
  pools: { mydb: { users: [{ username: 'alice' }], auth_query: { query: 'SELECT 1', user: 'bob' } } },
});

const SECTIONS = [
  ['general', GENERAL, NOTHING.general],
  ['prometheus', PROMETHEUS, NOTHING.prometheus],
  ['pool', POOL, NOTHING.pools.plain],
  ['user', USER, BARE.pools.mydb?.users[0]],
  ['auth_query', AUTH_QUERY, BARE.pools.mydb?.auth_query],
] as const;

for (const [section, defaults, actual] of SECTIONS) {
  for (const [name, value] of Object.entries(defaults)) {
    test(`${section}: ${name} is ${JSON.stringify(value) ?? 'not set'} when nothing is written`, () => {
      assert.ok(actual);
      assert.deepEqual(Reflect.get(actual, name), value);
    });
  }

  test(`${section}: there are no settings beside those`, () => {
    const names = fieldsOf(section).map(([name]) => name);
    assert.deepEqual(names.toSorted(), Object.keys(defaults).toSorted());
  });

  for (const [name, field] of fieldsOf(section)) {
    test(`${section}: ${name} is documented`, () => {
      const entry = docs.get(field);
      assert.ok(entry);
      assert.match(entry.en, /^\w.*\.$/s);
      assert.ok(['at once', 'new connections', 'restart'].includes(entry.reload));
    });
  }

  test(`${section}: passwords are secrets, and nothing else is`, () => {
    for (const [name, field] of fieldsOf(section)) {
      assert.equal(docs.get(field)?.isSecret === true, name.includes('password'), name);
    }
  });
}
