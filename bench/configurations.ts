/** The configuration of each pooler: the same pool, the same limits, quiet logs; passwords and TLS only where a scenario
 *  wants them. Whatever is not needed for that stays at the pooler's own default. */

import { NODE_HOSTS } from './patroni-stand-in.js';
import { type Contestant, keepsPreparedStatements } from './peers.js';
import { DATABASE, USER } from './postgres.js';

/** What a scenario chooses. */
export interface PoolerSetup {
  /** Server connections in all. */
  readonly poolSize: number;
  /** Threads, where it can have several. */
  readonly workers: number;
  /** Whether our threads get the clients evenly, instead of one after another. */
  readonly spreadsClients: boolean;
  readonly maxClients: number;
  /** PostgreSQL, or what stands before it: an address or the directory of a unix socket. */
  readonly server: { readonly host: string; readonly port: number };
  /** The port of the Patroni API that a proxy asks; 0 for poolers. */
  readonly patroniApi: number;
  /** PEM of what is shown to clients that ask for TLS; null: there is none. */
  readonly identity: Identity | null;
  /** `SCRAM-SHA-256$…` of USER, who then logs in by SCRAM, but for the benchmark's own connections (PROBE_ADDRESS);
   *  '': everybody is trusted. */
  readonly verifier: string;
}

export interface Identity {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface PoolerSettings extends PoolerSetup {
  /** Where the pooler listens. */
  readonly port: number;
}

/** Whoever connects from there is trusted. */
export const PROBE_ADDRESS = '127.0.0.2';
/** Of the console. */
export const ADMIN = { username: 'admin', password: 'admin' };

/** Longer than any run: a client that has to wait long for a server is slow, not an error. Seconds. */
const QUERY_WAIT_SECONDS = 60;
const BACKLOG = 4096;
/** Statements that a server connection keeps prepared, where that has to be asked for. */
const PREPARED_STATEMENTS = 200;

/** The texts of its files by their names, the main file first. `directory` is where all of them will lie. */
export function configurationOf(
  contestant: Contestant,
  settings: PoolerSettings,
  directory: string,
): ReadonlyMap<string, string> {
  return new Map([
    ...mainFilesOf(contestant, settings, directory),
    ...(settings.identity === null ? [] : identityFiles(settings.identity)),
  ]);
}

function mainFilesOf(
  contestant: Contestant,
  settings: PoolerSettings,
  directory: string,
): [name: string, text: string][] {
  switch (contestant.kind) {
    case 'ours':
      return [['pg_doorman.yaml', doorman(settings, directory, oursAlone(contestant.ioBackend, settings))]];
    case 'pg_doorman-rust':
      return [['pg_doorman.yaml', doorman(settings, directory, '')]];
    case 'pgbouncer':
      return [
        ['pgbouncer.ini', pgbouncer(contestant, settings, directory)],
        ['users.txt', `"${USER}" "${settings.verifier}"\n`],
        ['hba.conf', hbaOf(settings)], // where passwords are asked for
      ];
    case 'odyssey':
      return [['odyssey.conf', odyssey(settings)]];
    case 'patroni_proxy':
      return [['patroni_proxy.yaml', patroniProxy(contestant.ioBackend, settings)]];
    case 'haproxy':
      return [['haproxy.cfg', haproxy(settings)]];
  }
}

const CERTIFICATE_FILE = 'tls.crt';
const KEY_FILE = 'tls.key';

function identityFiles({ certificate, privateKey }: Identity): [name: string, text: string][] {
  return [
    [CERTIFICATE_FILE, certificate],
    [KEY_FILE, privateKey],
  ];
}

function hbaOf({ verifier }: PoolerSettings): string {
  return verifier === ''
    ? 'host all all 127.0.0.1/32 trust\n'
    : `host all ${USER} ${PROBE_ADDRESS}/32 trust\nhost all ${USER} 127.0.0.1/32 scram-sha-256\n`;
}

function oursAlone(ioBackend: string | null, { spreadsClients }: PoolerSettings): string {
  return `  io_backend: ${ioBackend}\n${spreadsClients ? '  worker_fill_percent: 0\n' : ''}`;
}

/** PgDoorman's documentation, "General Settings", "Pool Settings". */
function doorman(settings: PoolerSettings, directory: string, moreGeneral: string): string {
  const tls =
    settings.identity === null
      ? '  tls_mode: "disable"'
      : `  tls_mode: "allow"
  tls_certificate: "${directory}/${CERTIFICATE_FILE}"
  tls_private_key: "${directory}/${KEY_FILE}"`;
  return `general:
  host: "127.0.0.1"
  port: ${settings.port}
  backlog: ${BACKLOG}
  max_connections: ${settings.maxClients}
  worker_threads: ${settings.workers}
  query_wait_timeout: ${QUERY_WAIT_SECONDS * 1000}
${tls}
  log_client_connections: false
  log_client_disconnections: false
  admin_username: "${ADMIN.username}"
  admin_password: "${ADMIN.password}"
  pg_hba:
    content: ${JSON.stringify(hbaOf(settings))}
${moreGeneral}pools:
  ${DATABASE}:
    server_host: "${settings.server.host}"
    server_port: ${settings.server.port}
    pool_mode: "transaction"
    users:
      - username: "${USER}"
        password: "${settings.verifier}"
        server_username: "${USER}"
        pool_size: ${settings.poolSize}
`;
}

/** PgBouncer's manual, pgbouncer.ini. */
function pgbouncer(contestant: Contestant, settings: PoolerSettings, directory: string): string {
  const { host, port } = settings.server;
  return `[databases]
${DATABASE} = host=${host} port=${port} dbname=${DATABASE}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${settings.port}
listen_backlog = ${BACKLOG}
unix_socket_dir =
auth_type = ${settings.verifier === '' ? 'trust' : 'hba'}
auth_hba_file = ${directory}/hba.conf
auth_file = ${directory}/users.txt
pool_mode = transaction
default_pool_size = ${Math.floor(settings.poolSize / contestant.processes)}
max_client_conn = ${settings.maxClients}
query_wait_timeout = ${QUERY_WAIT_SECONDS}
log_connections = 0
log_disconnections = 0
log_stats = 0
${
  settings.identity === null
    ? ''
    : `client_tls_sslmode = allow
client_tls_cert_file = ${directory}/${CERTIFICATE_FILE}
client_tls_key_file = ${directory}/${KEY_FILE}
`
}${contestant.processes > 1 ? 'so_reuseport = 1\n' : ''}${
  keepsPreparedStatements(contestant) ? `max_prepared_statements = ${PREPARED_STATEMENTS}\n` : ''
}`;
}

/** Odyssey's documentation, "Configuration". */
function odyssey(settings: PoolerSettings): string {
  const { host, port } = settings.server;
  const isUnix = host.startsWith('/');
  return `daemonize no
log_format "%p %t %l [%i %s] (%c) %m\\n"
log_to_stdout yes
log_session no
log_stats no
workers ${settings.workers}
client_max ${settings.maxClients}
${isUnix ? `unix_socket_dir "${host}"\nunix_socket_mode "0700"\n` : ''}
listen {
  host "127.0.0.1"
  port ${settings.port}
  backlog ${BACKLOG}
}

storage "postgres" {
  type "remote"
${isUnix ? '' : `  host "${host}"\n`}  port ${port}
}

database "${DATABASE}" {
  user "${USER}" {
    authentication "none"
    storage "postgres"
    storage_db "${DATABASE}"
    storage_user "${USER}"
    pool "transaction"
    pool_size ${settings.poolSize}
    pool_timeout ${QUERY_WAIT_SECONDS * 1000}
    pool_discard no
    pool_cancel no
    pool_reserve_prepared_statement yes
  }
}
`;
}

/** docs/patroni-proxy.md, "Settings". */
function patroniProxy(ioBackend: string | null, { port, server, patroniApi }: PoolerSettings): string {
  return `listen_address: "127.0.0.1:0"
io_backend: ${ioBackend}
clusters:
  bench:
    hosts: ["http://127.0.0.1:${patroniApi}"]
    ports:
      leader:
        listen: "127.0.0.1:${port}"
        roles: ["leader"]
        host_port: ${server.port}
`;
}

/** HAProxy's configuration manual; how many clients it takes it finds out by its limit of descriptors. The checks are those of Patroni's documentation, "HAProxy". */
function haproxy({ port, server, patroniApi, workers }: PoolerSettings): string {
  return `global
  nbthread ${workers}
defaults
  mode tcp
  timeout connect 3s
  timeout client 1h
  timeout server 1h
listen leader
  bind 127.0.0.1:${port}
  balance leastconn
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions
${NODE_HOSTS.map((host, at) => `  server node${at + 1} ${host}:${server.port} check port ${patroniApi}\n`).join('')}`;
}
