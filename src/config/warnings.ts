/** What an operator should know of a configuration that is in order all the same. */
import { fieldText } from './complaints.js';
import type { Configuration } from './settings/configuration.js';
import { isElidedHash } from './settings/pool.js';

/** Databases that are the admin console, see pooler/client-login.ts. */
const CONSOLES = ['pgdoorman', 'pgbouncer'];

/** One line each: field: what. */
export function warningsOf({ pools }: Configuration): string[] {
  const hidden = Object.keys(pools).filter((name) => CONSOLES.includes(name));
  return [
    ...hidden.map(
      (name) => `${fieldText(['pools', name])}: nobody reaches it: this name is the admin console`,
    ),
    ...elidedHashes(pools),
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
