/** What a PostgreSQL has that a pooler before it must know: databases, and users with their password hashes. */
import type pg from 'pg';

export interface ServerFacts {
  readonly databases: readonly DatabaseFacts[];
  /** Whether pg_shadow could be read; without it no user has a password here. */
  readonly arePasswordsKnown: boolean;
}

export interface DatabaseFacts {
  readonly name: string;
  /** Those who may connect to it. */
  readonly users: readonly UserFacts[];
}

export interface UserFacts {
  readonly name: string;
  /** As in pg_shadow; '' when there is none, or it is not known. */
  readonly password: string;
  readonly isExpired: boolean;
}

const INSUFFICIENT_PRIVILEGE = '42501';

const DATABASES = `SELECT datname FROM pg_catalog.pg_database
  WHERE datallowconn AND NOT datistemplate ORDER BY datname`;

const CONNECT_PRIVILEGES = `SELECT d.datname, u.usename
  FROM pg_catalog.pg_database d CROSS JOIN pg_catalog.pg_user u
  WHERE d.datallowconn AND NOT d.datistemplate
    AND pg_catalog.has_database_privilege(u.usesysid, d.oid, 'CONNECT')
  ORDER BY u.usename`;

const PASSWORDS = `SELECT usename, passwd, valuntil < now() AS is_expired FROM pg_catalog.pg_shadow`;

interface PasswordRow {
  readonly usename: string;
  readonly passwd: string | null;
  readonly is_expired: boolean | null;
}

/** Asks. Throws what PostgreSQL says, except that the passwords are not for everybody. */
export async function factsOf(client: pg.Client): Promise<ServerFacts> {
  const databases = await client.query<{ datname: string }>(DATABASES);
  const privileges = await client.query<{ datname: string; usename: string }>(CONNECT_PRIVILEGES);
  const passwords = await passwordsOf(client);
  const facts = new Map((passwords ?? []).map((row) => [row.usename, row]));
  return {
    databases: databases.rows.map(({ datname: name }) => ({
      name,
      users: privileges.rows
        .filter(({ datname }) => datname === name)
        .map(({ usename }) => userFacts(usename, facts.get(usename))),
    })),
    arePasswordsKnown: passwords !== null,
  };
}

/** null when this user may not see them. */
async function passwordsOf(client: pg.Client): Promise<PasswordRow[] | null> {
  try {
    return (await client.query<PasswordRow>(PASSWORDS)).rows;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === INSUFFICIENT_PRIVILEGE) return null;
    throw error;
  }
}

function userFacts(name: string, row: PasswordRow | undefined): UserFacts {
  return { name, password: row?.passwd ?? '', isExpired: row?.is_expired === true };
}
