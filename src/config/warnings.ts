/** What an operator should know of a configuration that is in order all the same. */
import { fieldText } from './complaints.js';
import type { Configuration } from './settings/configuration.js';
import { general } from './settings/general.js';
import { isElidedHash } from './settings/pool.js';

/** Databases that are the admin console, see pooler/client-login.ts. */
const CONSOLES = ['pgdoorman', 'pgbouncer'];

/** One line each: field: what. */
export function warningsOf(configuration: Configuration): string[] {
  const { pools } = configuration;
  const hidden = Object.keys(pools).filter((name) => CONSOLES.includes(name));
  return [
    ...knownPassword(configuration.general),
    ...hidden.map(
      (name) => `${fieldText(['pools', name])}: nobody reaches it: this name is the admin console`,
    ),
    ...elidedHashes(pools),
  ];
}

/** The default, which is in the documentation for everybody to read. */
const KNOWN_PASSWORD = general.shape.admin_password.parse(undefined);

function knownPassword({ admin_password }: Configuration['general']): string[] {
  if (admin_password !== KNOWN_PASSWORD) return [];
  return [
    'general.admin_password: is the default, which everybody knows: who reaches the port can end all clients',
  ];
}

function elidedHashes(pools: Configuration['pools']): string[] {
  return Object.entries(pools).flatMap(([name, { users }]) =>
    users
      .filter(({ password }) => isElidedHash(password))
      .map(({ username }) => {
        const field = fieldText(['pools', name, 'users']);
        return `${field}: the password of ${username} is no whole hash, so nobody can log in by it: copy it from pg_shadow`;
      }),
  );
}
