/** What becomes of each setting in the section [pgbouncer]. PgBouncer manual, "pgbouncer.ini". */
import { resolve } from 'node:path';
import { booleanOf, integerOf, secondsOf, wholeSecondsOf } from './values.js';

export type Rule =
  /** A setting of general with the same meaning; `preset` is PgBouncer's default, where ours is another. */
  | {
      readonly kind: 'same';
      readonly as: string;
      readonly read: (text: string) => unknown;
      readonly preset?: string;
    }
  /** Has no equal; what to do about it. */
  | { readonly kind: 'none'; readonly advice: string }
  /** Others see to it: convert.ts, access.ts, databases.ts. */
  | { readonly kind: 'elsewhere' };

const ELSEWHERE: Rule = { kind: 'elsewhere' };
const text = (value: string): string => value;
const path = (value: string): string => resolve(value);

function same(as: string, read: (text: string) => unknown, preset?: string): Rule {
  return { kind: 'same', as, read, ...(preset === undefined ? {} : { preset }) };
}

function none(advice: string): Rule {
  return { kind: 'none', advice };
}

const NOTHING_TO_DO = 'it has no equal here, and there is nothing to do';
const AT_POSTGRESQL = 'PostgreSQL keeps such limits itself';
const OVER_POOLS =
  'there is no limit over several pools: pool_size counts for each user of each database, so lower those';
const CIPHERS = 'the ciphers are those that the OpenSSL of Node.js has by default; there is nothing to do';
const TLS_VERSIONS = 'TLS is 1.2 or 1.3, and no other';

export const RULES: Readonly<Record<string, Rule>> = {
  // where it listens, and what it writes
  listen_addr: ELSEWHERE,
  listen_port: same('port', integerOf, '6432'),
  unix_socket_dir: ELSEWHERE,
  unix_socket_mode: none('the mode of the socket is that of the umask: set UMask= in systemd'),
  unix_socket_group: none('the group of the socket is that of the process: set Group= in systemd'),
  listen_backlog: same('backlog', integerOf, '128'),
  user: none('start pg_doorman as that user: User= in systemd'),
  pidfile: none('with --daemon write daemon_pid_file; under systemd there is nothing to do'),
  logfile: none('the log goes to standard output: journald or your container keeps it'),
  syslog: ELSEWHERE,
  syslog_ident: ELSEWHERE,
  syslog_facility: none('syslog gets the facility daemon'),
  log_connections: same('log_client_connections', booleanOf),
  log_disconnections: same('log_client_disconnections', booleanOf),
  log_pooler_errors: none('what clients are told is always logged; there is nothing to do'),
  log_stats: none('statistics are not logged: see SHOW STATS, or the metrics of the section prometheus'),
  stats_period: none('averages are over 15 seconds'),
  verbose: none('use --log-level debug'),
  conffile: none(NOTHING_TO_DO),
  service_name: none(NOTHING_TO_DO),
  job_name: none(NOTHING_TO_DO),

  // pools
  pool_mode: ELSEWHERE,
  max_client_conn: same('max_connections', integerOf, '100'),
  default_pool_size: ELSEWHERE,
  min_pool_size: ELSEWHERE,
  reserve_pool_size: none('there is no reserve: add it to pool_size'),
  reserve_pool_timeout: none('there is no reserve, see reserve_pool_size'),
  max_db_connections: none(OVER_POOLS),
  max_user_connections: none(OVER_POOLS),
  max_db_client_connections: none('clients are counted for the process as a whole: max_connections'),
  max_user_client_connections: none('clients are counted for the process as a whole: max_connections'),
  server_round_robin: same('server_round_robin', booleanOf),
  track_extra_parameters: none(
    'sync_server_parameters keeps client_encoding, DateStyle, IntervalStyle, TimeZone, standard_conforming_strings and application_name; for others use ALTER ROLE … SET',
  ),
  ignore_startup_parameters: none(
    'parameters of the startup packet that are not known are never an error; there is nothing to do',
  ),
  max_prepared_statements: ELSEWHERE,
  disable_pqexec: none('simple queries cannot be refused'),
  application_name_add_host: none('see SHOW CLIENTS for the addresses of clients'),
  peer_id: none('a process cannot have peers: worker_threads takes the place of several processes'),
  scram_iterations: none('hashes are taken as they are stored; there is nothing to do'),

  // who may come in
  auth_type: ELSEWHERE,
  auth_hba_file: ELSEWHERE,
  auth_ident_file: none('there are no user name maps: rules with map= let nobody in'),
  auth_file: ELSEWHERE,
  auth_user: ELSEWHERE,
  auth_query: ELSEWHERE,
  auth_dbname: ELSEWHERE,
  auth_ldap_options: none('there is no LDAP: use PAM (pam_ldap) with auth_pam_service of a user'),
  admin_users: ELSEWHERE,
  stats_users: none(
    'the console has one user, admin_username; for statistics there is the section prometheus',
  ),

  // what servers must be like
  server_reset_query: none(
    'a server is cleaned by what its client did in it, and after session mode by DISCARD ALL; there is nothing to do',
  ),
  server_reset_query_always: none('what a client changed is always undone; there is nothing to do'),
  server_check_delay: ELSEWHERE,
  server_check_query: ELSEWHERE,
  server_fast_close: none('a server is closed when its client gives it back'),
  server_lifetime: ELSEWHERE,
  server_idle_timeout: same('idle_timeout', secondsOf, '600'),
  server_connect_timeout: same('connect_timeout', secondsOf, '15'),
  server_login_retry: none('a client that needs a server has one opened at once; there is nothing to do'),
  client_login_timeout: none('there is nothing to do: the time for a login is limited'),
  autodb_idle_timeout: none('there are no databases but those that are listed'),
  pool_idle_timeout: none(NOTHING_TO_DO),
  dns_max_ttl: none('names of hosts are looked up every 15 seconds'),
  dns_nxdomain_ttl: none('names of hosts are looked up every 15 seconds'),
  dns_zone_check_period: none('names of hosts are looked up every 15 seconds'),
  resolv_conf: none("names are looked up by the system's resolver"),

  // TLS
  client_tls_sslmode: ELSEWHERE,
  client_tls_key_file: ELSEWHERE,
  client_tls_cert_file: ELSEWHERE,
  client_tls_ca_file: ELSEWHERE,
  client_tls_protocols: none(TLS_VERSIONS),
  client_tls_ciphers: none(CIPHERS),
  client_tls13_ciphers: none(CIPHERS),
  client_tls_ecdhcurve: none(CIPHERS),
  client_tls_dheparams: none(CIPHERS),
  server_tls_sslmode: same('server_tls_mode', text, 'prefer'),
  server_tls_ca_file: same('server_tls_ca_cert', path),
  server_tls_key_file: same('server_tls_private_key', path),
  server_tls_cert_file: same('server_tls_certificate', path),
  server_tls_protocols: none(TLS_VERSIONS),
  server_tls_ciphers: none(CIPHERS),
  server_tls13_ciphers: none(CIPHERS),

  // time
  query_wait_timeout: ELSEWHERE,
  query_timeout: none(`${AT_POSTGRESQL}: ALTER ROLE … SET statement_timeout`),
  client_idle_timeout: none(
    'clients may idle as long as they like; tcp_keepalives_idle finds those that are gone',
  ),
  idle_transaction_timeout: none(`${AT_POSTGRESQL}: ALTER ROLE … SET idle_in_transaction_session_timeout`),
  transaction_timeout: none(`${AT_POSTGRESQL}: ALTER ROLE … SET transaction_timeout, from version 17 on`),
  cancel_wait_timeout: none('a cancel does not wait for a server of the pool; there is nothing to do'),
  suspend_timeout: none('there is no SUSPEND; UPGRADE hands over to a new process'),
  query_wait_notify: none('waiting clients are not told; see SHOW POOLS, maxwait'),
  login_notify_message: none('there is no message at login'),

  // the network
  pkt_buf: none(NOTHING_TO_DO),
  sbuf_loopcnt: none(NOTHING_TO_DO),
  max_packet_size: none('max_memory_usage limits what unfinished messages may take; there is nothing to do'),
  so_reuseport: none('one process does with worker_threads what several did: run one'),
  tcp_defer_accept: none(NOTHING_TO_DO),
  tcp_socket_buffer: none(NOTHING_TO_DO),
  tcp_keepalive: none('keepalive is always on; there is nothing to do'),
  tcp_keepcnt: same('tcp_keepalives_count', integerOf),
  tcp_keepidle: same('tcp_keepalives_idle', integerOf),
  tcp_keepintvl: same('tcp_keepalives_interval', integerOf),
  tcp_user_timeout: same('tcp_user_timeout', wholeSecondsOf),
};

export const CLIENT_TLS_FILES: Readonly<Record<string, string>> = {
  client_tls_key_file: 'tls_private_key',
  client_tls_cert_file: 'tls_certificate',
  client_tls_ca_file: 'tls_ca_cert',
};

export const CLIENT_TLS_MODES: Readonly<Record<string, string>> = {
  disable: 'disable',
  allow: 'allow',
  prefer: 'allow',
  require: 'require',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
};
