/** [databases], [users] and auth_file as pools and their users. */
import type { PoolDraft, UserDraft, Values } from '../../config/writing/annotated.js';
import { parseStoredPassword } from '../../wire/password-form.js';
import type { IniEntry, IniFile } from './ini-file.js';
import type { Notes } from './notes.js';
import { pairsOf } from './pairs.js';
import { integerOf, secondsOf } from './values.js';

/** What one line says, and where it stands. */
interface Line {
  readonly entry: IniEntry;
  readonly pairs: ReadonlyMap<string, string>;
}

export interface Surroundings {
  readonly ini: IniFile;
  readonly passwords: ReadonlyMap<string, string>;
  readonly notes: Notes;
}

const DEFAULT_AUTH_QUERY =
  'SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND rolcanlogin';
const POOL_SIZE = 20;
const UNIX_SOCKET_DIR = '/tmp';
const PAM_SERVICE = 'pgbouncer';

const KNOWN = ['host', 'port', 'dbname', 'user', 'password', 'auth_user', 'auth_query', 'auth_dbname'];
const ALSO_KNOWN = ['pool_size', 'min_pool_size', 'pool_mode', 'server_lifetime'];

const PER_POOL_LIMIT = 'there is no limit over several pools: pool_size counts for each user, so lower it';
const NO_EQUAL: Readonly<Record<string, string>> = {
  reserve_pool_size: 'there is no reserve: add it to pool_size',
  reserve_pool: 'there is no reserve: add it to pool_size',
  connect_query: 'nothing is run on a new connection: use ALTER ROLE … SET or ALTER DATABASE … SET',
  query_wait_timeout: 'there is one query_wait_timeout for all pools',
  load_balance_hosts: 'a pool has one host: put patroni_proxy or another balancer before the servers',
  target_session_attrs: 'the kind of server is not looked at: patroni_proxy has ports by role',
  max_db_connections: PER_POOL_LIMIT,
  max_user_connections: PER_POOL_LIMIT,
  max_db_client_connections: 'clients are counted for the process as a whole: max_connections',
  max_user_client_connections: 'clients are counted for the process as a whole: max_connections',
  client_encoding: 'use ALTER DATABASE … SET client_encoding',
  datestyle: 'use ALTER DATABASE … SET datestyle',
  timezone: 'use ALTER DATABASE … SET timezone',
  query_timeout: 'use ALTER ROLE … SET statement_timeout',
  idle_transaction_timeout: 'use ALTER ROLE … SET idle_in_transaction_session_timeout',
  transaction_timeout: 'use ALTER ROLE … SET transaction_timeout, from PostgreSQL 17 on',
  client_idle_timeout: 'clients may idle as long as they like',
};

export function poolDrafts(surroundings: Surroundings): PoolDraft[] {
  const { ini, notes } = surroundings;
  const lines = [...(ini.get('databases')?.values() ?? [])].map(lineOf);
  const users = new Map([...(ini.get('users')?.values() ?? [])].map((entry) => [entry.key, lineOf(entry)]));
  for (const line of lines) tellOfOthers(line, [...KNOWN, ...ALSO_KNOWN], notes);
  for (const line of users.values()) tellOfUser(line, surroundings);
  const fallback = lines.find(({ entry }) => entry.key === '*');
  if (fallback !== undefined) {
    notes.mustDo(fallback.entry, 'there is no fallback database: write a pool for each database');
  }
  return lines
    .filter((line) => line !== fallback)
    .map((line) => new PoolConversion(line, lines, users, surroundings).draft());
}

function lineOf(entry: IniEntry): Line {
  return { entry, pairs: pairsOf(entry) };
}

function tellOfOthers({ entry, pairs }: Line, known: readonly string[], notes: Notes): void {
  for (const key of pairs.keys()) {
    if (known.includes(key)) continue;
    notes.of(entry, `${key}: ${NO_EQUAL[key] ?? 'is no setting of PgBouncer that is known here'}`);
  }
}

function tellOfUser(line: Line, { passwords, notes }: Surroundings): void {
  tellOfOthers(line, ['pool_size', 'pool_mode'], notes);
  if (!passwords.has(line.entry.key)) {
    notes.of(line.entry, 'is not in auth_file: list this user in the pools, or let auth_query find it');
  }
}

/** One line of [databases] as a pool. */
class PoolConversion {
  private readonly line: Line;
  private readonly lines: readonly Line[];
  private readonly users: ReadonlyMap<string, Line>;
  private readonly surroundings: Surroundings;
  private readonly notes: Notes;

  constructor(
    line: Line,
    lines: readonly Line[],
    users: ReadonlyMap<string, Line>,
    surroundings: Surroundings,
  ) {
    this.line = line;
    this.lines = lines;
    this.users = users;
    this.surroundings = surroundings;
    this.notes = surroundings.notes;
  }

  draft(): PoolDraft {
    const { entry, pairs } = this.line;
    const database = pairs.get('dbname');
    const mode = this.modeOf(entry, pairs.get('pool_mode') ?? this.setting('pool_mode') ?? 'session');
    const lifetime = pairs.get('server_lifetime');
    return {
      name: entry.key,
      values: {
        server_host: this.host(),
        server_port: this.integer('port', pairs.get('port'), 5432),
        ...(database === undefined ? {} : { server_database: database }),
        pool_mode: mode,
        ...(lifetime === undefined ? {} : { server_lifetime: lifetimeOf(lifetime, entry, this.notes) }),
      },
      authQuery: this.authQuery(),
      users: [...this.surroundings.passwords].map(([name, password]) => this.user(name, password)),
    };
  }

  private user(name: string, password: string): UserDraft {
    const line = this.users.get(name);
    const poolSize = this.poolSize(line);
    const wanted = this.line.pairs.get('min_pool_size') ?? this.setting('min_pool_size');
    const minPoolSize = Math.min(this.integer('min_pool_size', wanted, 0), poolSize);
    const mode = line?.pairs.get('pool_mode');
    return {
      values: {
        username: name,
        password,
        ...(this.setting('auth_type') === 'pam' ? { auth_pam_service: PAM_SERVICE } : {}),
        ...this.serverLogin(name),
        pool_size: poolSize,
        ...(minPoolSize === 0 ? {} : { min_pool_size: minPoolSize }),
        ...(mode === undefined || line === undefined ? {} : { pool_mode: this.modeOf(line.entry, mode) }),
      },
      notes: [],
    };
  }

  /** With user= everybody works as that user of PostgreSQL. */
  private serverLogin(client: string): Values {
    const { pairs } = this.line;
    const user = pairs.get('user');
    if (user === undefined) return {};
    const password = pairs.get('password') ?? this.plainPassword(user);
    if (password !== undefined) return { server_username: user, server_password: password };
    // Under its own name a client's own login is passed through.
    return client === user ? {} : { server_username: user };
  }

  private plainPassword(user: string): string | undefined {
    const password = this.surroundings.passwords.get(user) ?? '';
    if (parseStoredPassword(password).kind === 'plain') return password;
    return undefined;
  }

  private poolSize(user: Line | undefined): number {
    const text =
      user?.pairs.get('pool_size') ?? this.line.pairs.get('pool_size') ?? this.setting('default_pool_size');
    return Math.max(1, this.integer('pool_size', text, POOL_SIZE));
  }

  private authQuery(): Values | null {
    const { entry, pairs } = this.line;
    const user = pairs.get('auth_user') ?? this.setting('auth_user');
    if (user === undefined || user === '') return null;
    const query = pairs.get('auth_query') ?? this.setting('auth_query') ?? DEFAULT_AUTH_QUERY;
    const password = this.plainPassword(user);
    if (password === undefined && (this.surroundings.passwords.get(user) ?? '') !== '') {
      this.notes.mustDo(entry, `auth_query wants the plain password of ${user}: auth_file has only its hash`);
    }
    const database = this.authDatabase();
    return {
      // PgBouncer goes by the place of the columns, we by their names.
      query: `SELECT passwd FROM (${query.trim().replace(/;$/, '')}) AS found (usename, passwd) WHERE usename IS NOT NULL`,
      user,
      password: password ?? '',
      ...(database === undefined ? {} : { database }),
      ...this.sharedLogin(),
      default_pool_size: this.poolSize(undefined),
    };
  }

  private sharedLogin(): Values {
    const { server_username, server_password } = this.serverLogin('');
    if (server_username === undefined) return {};
    return { server_user: server_username, ...(server_password === undefined ? {} : { server_password }) };
  }

  /** auth_dbname is a name of [databases]; ours is the one at PostgreSQL. */
  private authDatabase(): string | undefined {
    const name = this.line.pairs.get('auth_dbname') ?? this.setting('auth_dbname');
    if (name === undefined) return undefined;
    return this.lines.find(({ entry }) => entry.key === name)?.pairs.get('dbname') ?? name;
  }

  private host(): string {
    const { entry, pairs } = this.line;
    const text = pairs.get('host') ?? this.setting('unix_socket_dir') ?? UNIX_SOCKET_DIR;
    const [first = '', ...others] = text.split(',').map((each) => each.trim());
    if (others.length > 0) this.notes.of(entry, `host: a pool has one host: ${first}`);
    if (first.startsWith('@')) this.notes.mustDo(entry, 'host: there are no abstract unix sockets');
    return first === '' ? '127.0.0.1' : first;
  }

  private modeOf(entry: IniEntry, mode: string): string {
    if (mode === 'statement') {
      this.notes.of(entry, 'pool_mode statement: there is none: transaction is the nearest');
      return 'transaction';
    }
    return mode;
  }

  private integer(key: string, text: string | undefined, preset: number): number {
    if (text === undefined) return preset;
    const value = integerOf(text);
    if (value === null) this.notes.mustDo(this.line.entry, `${key} is no number: ${preset} is written`);
    return value ?? preset;
  }

  private setting(key: string): string | undefined {
    return this.surroundings.ini.get('pgbouncer')?.get(key)?.value;
  }
}

/** 0 there: a server is used once; here: for ever. */
export function lifetimeOf(text: string, entry: IniEntry, notes: Notes): unknown {
  const lifetime = secondsOf(text);
  if (lifetime !== 0) return lifetime;
  notes.of(entry, 'server_lifetime 0: a server that is used only once cannot be had: one second is written');
  return '1s';
}
