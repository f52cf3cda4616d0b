/** One connection to PostgreSQL over which auth_query is asked: straight to where the pool's servers are, with TLS as
 *  they have it, and with nothing of any client's. Not for: when to connect, and who asks when; see executors.ts. */
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import pg from 'pg';
import type { ServerTlsSettings } from '../../pooler/settings.js';
import { SQLSTATE } from '../../wire/sqlstate.js';
import { QueryFailed } from './credential-cache.js';
import type { QueryAnswer } from './credentials.js';

/** Where and as whom it is asked, and what. */
export interface ExecutorSettings {
  /** A name, an address, or the directory of a unix socket. */
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTlsSettings;
  readonly connectTimeoutMs: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly query: string;
}

export interface ExecutorConnection {
  /** False when it was lost. */
  readonly isOpen: boolean;
  /** Throws QueryFailed when PostgreSQL refuses the query, another Error when the connection is lost. */
  ask(user: string): Promise<QueryAnswer>;
  close(): void;
}

const APPLICATION_NAME = 'pg_doorman auth_query';
/** How long one query may take; then its connection is given up. Milliseconds. */
const QUERY_TIMEOUT_MS = 10_000;

type Ssl = false | ConnectionOptions;

/** Connects and logs in, the other way too where the TLS mode has two. Rejects with the last failure. */
export async function connectExecutor(settings: ExecutorSettings): Promise<ExecutorConnection> {
  const [first, second] = waysOf(settings);
  try {
    return await connectWith(settings, first);
  } catch (error) {
    if (second === undefined || !mayHelp(error)) throw error;
    return connectWith(settings, second);
  }
}

async function connectWith(settings: ExecutorSettings, ssl: Ssl): Promise<ExecutorConnection> {
  const { host, port, user, password, database, connectTimeoutMs } = settings;
  const client = new pg.Client({
    host,
    port,
    user,
    // Everything is said here, or the environment and ~/.pgpass would be looked at.
    password: () => password,
    database,
    ssl,
    sslnegotiation: 'postgres',
    client_encoding: 'UTF8',
    // Timestamps are read in this form.
    options: '-c DateStyle=ISO',
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  const connection = new PgConnection(client, settings.query);
  try {
    await client.connect();
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

class PgConnection implements ExecutorConnection {
  isOpen = true;
  private readonly client: pg.Client;
  private readonly text: string;

  constructor(client: pg.Client, text: string) {
    this.client = client;
    this.text = text;
    client.on('error', () => this.close());
    client.on('end', () => {
      this.isOpen = false;
    });
  }

  async ask(user: string): Promise<QueryAnswer> {
    try {
      const { fields, rows } = await this.client.query<unknown[]>({
        text: this.text,
        values: [user],
        rowMode: 'array',
      });
      return { columns: fields.map(({ name }) => name), rows };
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.severity === 'ERROR') {
        throw new QueryFailed(`${error.message} (${error.code})`);
      }
      this.close();
      throw error;
    }
  }

  close(): void {
    this.isOpen = false;
    this.client.end().catch(() => undefined); // it has ended before
  }
}

/** What to try, one after the other: sslmode in "SSL Support" of libpq. */
function waysOf({ host, tls }: ExecutorSettings): readonly [Ssl, Ssl?] {
  if (host.startsWith('/')) return [false];
  switch (tls.mode) {
    case 'disable':
      return [false];
    case 'require':
      return [sslOf(host, tls)];
    case 'allow':
      return [false, sslOf(host, tls)];
    case 'prefer':
      return [sslOf(host, tls), false];
  }
}

function sslOf(host: string, { authorities, checksHost, identity }: ServerTlsSettings): ConnectionOptions {
  return {
    rejectUnauthorized: authorities !== '',
    checkServerIdentity: (_, certificate) =>
      checksHost ? checkServerIdentity(host, certificate) : undefined,
    ...(authorities === '' ? {} : { ca: authorities }),
    ...(identity === null ? {} : { cert: identity.certificate, key: identity.privateKey }),
  };
}

/** Whether it may be TLS, or the lack of it, that the server does not want. */
function mayHelp(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === SQLSTATE.invalid_authorization_specification;
  return error instanceof Error && !('syscall' in error);
}
