/** The configuration of each pooler: the same pool, the same limits, no passwords, no TLS, quiet logs. Whatever is not
 *  needed for that stays at the pooler's own default. */

import { type Contestant, keepsPreparedStatements } from './peers.js';
import { DATABASE, USER } from './postgres.js';

export interface PoolerSettings {
  /** Where the pooler listens. */
  readonly port: number;
  readonly postgresPort: number;
  readonly poolSize: number;
  readonly workers: number;
  readonly maxClients: number;
}

/** A file by its name. */
export interface ConfigurationFile {
  readonly name: string;
  readonly text: string;
}

/** Longer than any run: a client that has to wait long for a server is slow, not an error. Seconds. */
const QUERY_WAIT_SECONDS = 60;
const BACKLOG = 4096;
/** Statements that a server connection keeps prepared, where that has to be asked for. */
const PREPARED_STATEMENTS = 200;

/** The main file comes first. `directory` is where all of them will lie. */
export function configurationOf(
  contestant: Contestant,
  settings: PoolerSettings,
  directory: string,
): readonly ConfigurationFile[] {
  switch (contestant.kind) {
    case 'ours':
      return [
        { name: 'pg_doorman.yaml', text: doorman(settings, `  io_backend: ${contestant.ioBackend}\n`) },
      ];
    case 'pg_doorman-rust':
      return [{ name: 'pg_doorman.yaml', text: doorman(settings, '') }];
    case 'pgbouncer':
      return [
        { name: 'pgbouncer.ini', text: pgbouncer(settings, keepsPreparedStatements(contestant), directory) },
        { name: 'users.txt', text: `"${USER}" ""\n` },
      ];
    case 'odyssey':
      return [{ name: 'odyssey.conf', text: odyssey(settings) }];
  }
}

/** PgDoorman's documentation, "General Settings", "Pool Settings". */
function doorman(
  { port, postgresPort, poolSize, workers, maxClients }: PoolerSettings,
  more: string,
): string {
  return `general:
  host: "127.0.0.1"
  port: ${port}
  backlog: ${BACKLOG}
  max_connections: ${maxClients}
  worker_threads: ${workers}
  query_wait_timeout: ${QUERY_WAIT_SECONDS * 1000}
  tls_mode: "disable"
  log_client_connections: false
  log_client_disconnections: false
  admin_username: "admin"
  admin_password: "admin"
  pg_hba:
    content: "host all all 127.0.0.1/32 trust"
${more}pools:
  ${DATABASE}:
    server_host: "127.0.0.1"
    server_port: ${postgresPort}
    pool_mode: "transaction"
    users:
      - username: "${USER}"
        password: ""
        server_username: "${USER}"
        pool_size: ${poolSize}
`;
}

/** PgBouncer's manual, pgbouncer.ini. */
function pgbouncer(
  { port, postgresPort, poolSize, maxClients }: PoolerSettings,
  keepsPrepared: boolean,
  directory: string,
): string {
  const prepared = keepsPrepared ? `max_prepared_statements = ${PREPARED_STATEMENTS}\n` : '';
  return `[databases]
${DATABASE} = host=127.0.0.1 port=${postgresPort} dbname=${DATABASE}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
listen_backlog = ${BACKLOG}
unix_socket_dir =
auth_type = trust
auth_file = ${directory}/users.txt
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = ${maxClients}
query_wait_timeout = ${QUERY_WAIT_SECONDS}
log_connections = 0
log_disconnections = 0
log_stats = 0
${prepared}`;
}

/** Odyssey's documentation, "Configuration". */
function odyssey({ port, postgresPort, poolSize, workers, maxClients }: PoolerSettings): string {
  return `daemonize no
log_format "%p %t %l [%i %s] (%c) %m\\n"
log_to_stdout yes
log_syslog no
log_config no
log_debug no
log_session no
log_query no
log_stats no
workers ${workers}
resolvers 1
nodelay yes
client_max ${maxClients}

listen {
  host "127.0.0.1"
  port ${port}
  backlog ${BACKLOG}
  tls "disable"
}

storage "postgres" {
  type "remote"
  host "127.0.0.1"
  port ${postgresPort}
  tls "disable"
}

database "${DATABASE}" {
  user "${USER}" {
    authentication "none"
    storage "postgres"
    storage_db "${DATABASE}"
    storage_user "${USER}"
    pool "transaction"
    pool_size ${poolSize}
    pool_timeout ${QUERY_WAIT_SECONDS * 1000}
    pool_discard no
    pool_cancel no
    pool_rollback yes
    pool_reserve_prepared_statement yes
    client_fwd_error yes
  }
}
`;
}
