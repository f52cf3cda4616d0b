/** From the configuration as it was written to what the workers are handed: overrides resolved, host names looked up,
 *  passwords turned into what is compared. */
import { randomBytes } from 'node:crypto';
import type { LoadedConfiguration } from '../config/load.js';
import type { GeneralSettings } from '../config/settings/general.js';
import type { AuthQuerySection, PoolSection, UserSection } from '../config/settings/pool.js';
import {
  type ClientSecret,
  type DataPlaneSettings,
  PoolMode,
  type PoolSettings,
  type ServerAddress,
  type ServerSecret,
  type ServerTlsSettings,
} from '../pooler/settings.js';
import { parseStoredPassword } from '../wire/password-form.js';
import { deriveScramKeys, verifierOf } from '../wire/scram-verifier.js';
import { hostNames } from './host-names.js';
import { clientTls, ServerTlsOfPools } from './tls-settings.js';

const SCRAM_ITERATIONS = 4096; // PostgreSQL's own default
const SCRAM_SALT_BYTES = 16;

export interface Resolved {
  readonly settings: DataPlaneSettings;
  readonly pools: readonly PoolSettings[];
}

/** Makes verifiers of plain passwords. A password that it has seen in the last configuration has the same verifier in
 *  the next, so that a pool is not taken for changed. */
export class ClientSecrets {
  private known = new Map<string, Promise<ClientSecret>>();
  private next = new Map<string, Promise<ClientSecret>>();

  of(password: string): Promise<ClientSecret> {
    const secret = this.next.get(password) ?? this.known.get(password) ?? clientSecret(password);
    this.next.set(password, secret);
    return secret;
  }

  /** The configuration has been read: forgets those that are not in it. */
  settle(): void {
    this.known = this.next;
    this.next = new Map();
  }
}

/** Resolves everything. Never throws for a configuration that was loaded: a host name that is unknown for now stays as
 *  it is, and opening a server says so. */
export async function resolveSettings(
  loaded: LoadedConfiguration,
  secrets = new ClientSecrets(),
): Promise<Resolved> {
  const { configuration } = loaded;
  const { general } = configuration;
  const serverTls = new ServerTlsOfPools(loaded);
  const pools = Object.entries(configuration.pools).flatMap(([database, pool]) =>
    [...pool.users.map((user) => listedUser(user, secrets)), ...sharedUser(pool)].map((user) =>
      poolSettings(general, database, pool, user, serverTls.of(database, pool)),
    ),
  );
  const resolved = {
    settings: await generalSettings(loaded, secrets),
    pools: await Promise.all(pools),
  };
  secrets.settle();
  return resolved;
}

async function generalSettings(
  loaded: LoadedConfiguration,
  secrets: ClientSecrets,
): Promise<DataPlaneSettings> {
  const { general } = loaded.configuration;
  return {
    host: general.host,
    port: general.port,
    backlog: general.backlog === 0 ? general.max_connections : general.backlog,
    ioBackend: general.io_backend,
    workerThreads: general.worker_threads,
    workerFillPercent: general.worker_fill_percent,
    workerCpuAffinityPinning: general.worker_cpu_affinity_pinning,
    maxConnections: general.max_connections,
    queryWaitTimeoutMs: general.query_wait_timeout,
    serverIdleCheckTimeoutMs: general.server_idle_check_timeout,
    serverRoundRobin: general.server_round_robin,
    retainConnectionsTimeMs: general.retain_connections_time,
    retainConnectionsMax: general.retain_connections_max,
    preparedStatements: general.prepared_statements,
    preparedStatementsCacheSize: general.prepared_statements_cache_size,
    clientPreparedStatementsCacheSize: general.client_prepared_statements_cache_size,
    syncServerParameters: general.sync_server_parameters,
    maxMemoryUsage: general.max_memory_usage,
    messageSizeToBeStream: general.message_size_to_be_stream,
    proxyCopyDataTimeoutMs: general.proxy_copy_data_timeout,
    poolerCheckQuery: general.pooler_check_query,
    logClientConnections: general.log_client_connections,
    logClientDisconnections: general.log_client_disconnections,
    clockResolutionMs: general.clock_resolution_statistics,
    shutdownTimeoutMs: general.shutdown_timeout,
    unixSocketBufferSize: general.unix_socket_buffer_size,
    tcp: {
      noDelay: general.tcp_no_delay,
      keepalivesCount: general.tcp_keepalives_count,
      keepalivesIdleS: general.tcp_keepalives_idle,
      keepalivesIntervalS: general.tcp_keepalives_interval,
      lingerS: general.tcp_so_linger,
      userTimeoutS: general.tcp_user_timeout,
    },
    clientTls: clientTls(loaded),
    admin: {
      username: general.admin_username,
      secret: withoutToken(await secrets.of(general.admin_password)),
    },
    hasTalosKeys: loaded.tokenKeys.talos.size > 0,
    accessRules: loaded.accessRules,
  };
}

/** Whom a pool is of: what a user's section says, or what auth_query makes of one. */
export interface PoolUser {
  readonly username: string;
  readonly isDynamic: boolean;
  readonly serverUser: string;
  readonly clientSecret: ClientSecret | Promise<ClientSecret>;
  readonly serverSecret: ServerSecret;
  readonly mode: PoolSection['pool_mode'] | undefined;
  readonly poolSize: number;
  readonly minPoolSize: number;
  readonly serverLifetimeMs: number | undefined;
}

/** The settings of one user's pool, host name looked up. */
export async function poolSettings(
  general: GeneralSettings,
  database: string,
  pool: PoolSection,
  user: PoolUser,
  serverTls: ServerTlsSettings,
): Promise<PoolSettings> {
  const mode = user.mode ?? pool.pool_mode;
  return {
    database,
    user: user.username,
    isDynamic: user.isDynamic,
    address: await serverAddress(pool.server_host, pool.server_port),
    serverHost: pool.server_host,
    serverTls,
    serverDatabase: pool.server_database ?? database,
    serverUser: user.serverUser,
    clientSecret: await user.clientSecret,
    serverSecret: user.serverSecret,
    mode: mode === 'session' ? PoolMode.Session : PoolMode.Transaction,
    poolSize: user.poolSize,
    minPoolSize: user.minPoolSize,
    maxConcurrentCreates: pool.max_concurrent_creates ?? general.max_concurrent_creates,
    scalingWarmPoolRatio: pool.scaling_warm_pool_ratio ?? general.scaling_warm_pool_ratio,
    scalingFastRetries: pool.scaling_fast_retries ?? general.scaling_fast_retries,
    scalingCooldownSleepMs: pool.scaling_cooldown_sleep ?? general.scaling_cooldown_sleep,
    applicationName: pool.application_name,
    connectTimeoutMs: pool.connect_timeout ?? general.connect_timeout,
    idleTimeoutMs: pool.idle_timeout ?? general.idle_timeout,
    serverLifetimeMs: user.serverLifetimeMs ?? pool.server_lifetime ?? general.server_lifetime,
    cleanupServerConnections: pool.cleanup_server_connections,
    logClientParameterStatusChanges: pool.log_client_parameter_status_changes,
  };
}

function listedUser(user: UserSection, secrets: ClientSecrets): PoolUser {
  return {
    username: user.username,
    isDynamic: false,
    serverUser: user.server_username ?? user.username,
    clientSecret: user.auth_pam_service === undefined ? secrets.of(user.password) : { kind: 'pam' },
    serverSecret: serverSecret(user),
    mode: user.pool_mode,
    poolSize: user.pool_size,
    minPoolSize: user.min_pool_size ?? 0,
    serverLifetimeMs: user.server_lifetime,
  };
}

/** In dedicated mode all whom auth_query finds share one pool. */
function sharedUser({ auth_query }: PoolSection): PoolUser[] {
  if (auth_query?.server_user === undefined) return [];
  const { server_user, server_password } = auth_query;
  const serverSecret: ServerSecret =
    server_password === undefined ? { kind: 'none' } : { kind: 'plain', password: server_password };
  return [dynamicUser(auth_query, server_user, { kind: 'none' }, serverSecret)];
}

/** In passthrough mode everybody whom auth_query finds has a pool. */
export function passthroughUser(authQuery: AuthQuerySection, name: string, secret: ClientSecret): PoolUser {
  return dynamicUser(authQuery, name, secret, { kind: 'passthrough' });
}

function dynamicUser(
  { default_pool_size }: AuthQuerySection,
  name: string,
  secret: ClientSecret,
  serverSecret: ServerSecret,
): PoolUser {
  return {
    username: name,
    isDynamic: true,
    serverUser: name,
    clientSecret: secret,
    serverSecret,
    mode: undefined,
    poolSize: default_pool_size,
    minPoolSize: 0,
    serverLifetimeMs: undefined,
  };
}

/** A directory stands for the unix socket in it, as with libpq. */
export async function serverAddress(host: string, port: number): Promise<ServerAddress> {
  if (host.startsWith('/')) return { kind: 'unix', path: `${host}/.s.PGSQL.${port}` };
  return { kind: 'tcp', host: await hostNames.addressOf(host), port };
}

async function clientSecret(password: string): Promise<ClientSecret> {
  const form = parseStoredPassword(password);
  switch (form.kind) {
    case 'plain':
      return plainSecret(form.password);
    case 'jwt':
      return { kind: 'jwt' };
    default:
      return form;
  }
}

function withoutToken(secret: ClientSecret): ClientSecret {
  return secret.kind === 'jwt' ? { kind: 'unusable', why: 'the console takes no tokens' } : secret;
}

/** A plain password is compared by SCRAM: neither it nor a hash that could be replayed goes over the wire. */
async function plainSecret(password: string): Promise<ClientSecret> {
  const salt = randomBytes(SCRAM_SALT_BYTES);
  // SASLprep (RFC 4013) for the characters that people use; ASCII stays as it is.
  const keys = await deriveScramKeys(password.normalize('NFKC'), salt, SCRAM_ITERATIONS);
  return { kind: 'scram', ...verifierOf(keys, salt, SCRAM_ITERATIONS) };
}

/** What logs in to PostgreSQL: what the file says, else what the client's own login gives. */
function serverSecret({ username, password, server_username, server_password }: UserSection): ServerSecret {
  if (server_password !== undefined) return { kind: 'plain', password: server_password };
  if (server_username !== undefined && server_username !== username) return { kind: 'none' };
  const form = parseStoredPassword(password);
  switch (form.kind) {
    case 'md5':
      return { kind: 'md5', hash: form.hash };
    case 'scram':
      return { kind: 'scram-passthrough' };
    case 'plain':
      return { kind: 'plain', password };
    default:
      return { kind: 'none' };
  }
}
