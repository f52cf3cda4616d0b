/** How generate reaches PostgreSQL: by its options, else by the environment variables of libpq, else as libpq would.
 *  PostgreSQL manual, "Environment Variables" and "SSL Support" of libpq. */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import pg from 'pg';

export interface ConnectionOptions {
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly ssl?: boolean;
}

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof SSL_MODES)[number];

/** Where and as whom. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Somebody has said so; else it is what libpq does unasked. */
  readonly isSslModeAsked: boolean;
  /** Absolute; '' for none. */
  readonly rootCertificate: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** PostgreSQL could not be asked; the message says what to do. */
export class CannotConnect extends Error {
  override readonly name = 'CannotConnect';
}

const PORT_MAX = 65_535;
const CONNECT_TIMEOUT_MS = 10_000;

/** Throws CannotConnect when a variable says what cannot be. */
export function targetOf(options: ConnectionOptions, environment: NodeJS.ProcessEnv): Target {
  const host = options.host ?? (environment.PGHOST || 'localhost');
  const user = options.user ?? (environment.PGUSER || userInfo().username);
  return {
    host,
    port: options.port ?? portOf(environment.PGPORT),
    user,
    password: options.password ?? environment.PGPASSWORD,
    database: options.database ?? (environment.PGDATABASE || user),
    sslMode: sslModeOf(host, options.ssl === true, environment.PGSSLMODE),
    isSslModeAsked: options.ssl === true || Boolean(environment.PGSSLMODE),
    rootCertificate: absolute(environment.PGSSLROOTCERT),
    certificate: absolute(environment.PGSSLCERT),
    privateKey: absolute(environment.PGSSLKEY),
  };
}

function portOf(text = ''): number {
  if (text === '') return 5432;
  const port = /^\d+$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > PORT_MAX) throw new CannotConnect(`PGPORT is "${text}", which is no port`);
  return port;
}

/** --ssl asks for no less than require; a unix socket has no TLS. */
function sslModeOf(host: string, wantsSsl: boolean, text = ''): SslMode {
  if (host.startsWith('/')) return 'disable';
  const mode = text === '' ? 'prefer' : SSL_MODES.find((each) => each === text);
  if (mode === undefined) {
    throw new CannotConnect(`PGSSLMODE is "${text}"; it is one of ${SSL_MODES.join(', ')}`);
  }
  return wantsSsl && !mode.startsWith('verify') ? 'require' : mode;
}

function absolute(path = ''): string {
  return path === '' ? '' : resolve(path);
}

/** A connection that is open. Throws CannotConnect. */
export async function connect(target: Target): Promise<pg.Client> {
  if (target.sslMode === 'disable') return opened(target, false);
  const isOptional = target.sslMode === 'prefer' || target.sslMode === 'allow';
  try {
    return await opened(target, tlsOptions(target));
  } catch (error) {
    if (isOptional && isWithoutTls(error)) return opened(target, false);
    throw error;
  }
}

async function opened(target: Target, ssl: false | pg.ConnectionConfig['ssl']): Promise<pg.Client> {
  const { host, port, user, password, database } = target;
  const client = new pg.Client({
    ...{ host, port, user, database, ssl, application_name: 'pg_doorman generate' },
    ...(password === undefined ? {} : { password }),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on('error', () => {}); // the query that runs into it says so
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw new CannotConnect(whyNot(target, error), { cause: error });
  }
}

function tlsOptions({ sslMode, rootCertificate, certificate, privateKey }: Target) {
  const isVerified = sslMode.startsWith('verify') || (sslMode === 'require' && rootCertificate !== '');
  return {
    rejectUnauthorized: isVerified,
    ...(rootCertificate === '' ? {} : { ca: contentOf(rootCertificate, 'PGSSLROOTCERT') }),
    ...(certificate === '' ? {} : { cert: contentOf(certificate, 'PGSSLCERT') }),
    ...(privateKey === '' ? {} : { key: contentOf(privateKey, 'PGSSLKEY') }),
    ...(sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
}

function contentOf(file: string, variable: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CannotConnect(`${file} of ${variable} cannot be read: ${textOf(error)}`);
  }
}

function isWithoutTls(error: unknown): boolean {
  const cause = error instanceof CannotConnect ? error.cause : null;
  return cause instanceof Error && cause.message.includes('does not support SSL');
}

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there: see --host and --port',
  ENOENT: 'there is no such unix socket: see --host and --port',
  ENOTFOUND: 'the host is unknown: see --host',
  EAI_AGAIN: 'the host is unknown: see --host',
  '28P01': 'the password is wrong or missing: PGPASSWORD, --password or ~/.pgpass',
  '28000': 'pg_hba.conf of PostgreSQL does not let this user in from here',
  '3D000': 'there is no such database: see --database',
};

function whyNot({ host, port, user, database }: Target, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const text = textOf(error);
  const isPasswordMissing = /password must be a string/.test(text);
  const hint = isPasswordMissing ? HINTS['28P01'] : HINTS[code];
  const said = isPasswordMissing ? 'PostgreSQL asks for a password' : text;
  return `cannot connect to ${user}@${host}:${port}/${database}: ${said}${hint === undefined ? '' : ` (${hint})`}`;
}

/** One line; an AggregateError, as of a host with several addresses, has its texts inside. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
