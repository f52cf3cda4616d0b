/** The PostgreSQL of a whole test run, started by test/run.ts; a test file that is run alone starts one for itself. */
import { after } from 'node:test';
import type { Section } from './doorman.js';
import { Postgres } from './postgres.js';

const PORT = Number(process.env.PG_DOORMAN_TEST_POSTGRES_PORT ?? 0);
const own = PORT === 0 ? await Postgres.create() : null;
if (own !== null) after(() => own.remove());

export const postgresPort = own === null ? PORT : own.port;

/** A pool of postgres@postgres on it. */
export function pool(user: Section = {}, more: Section = {}): Section {
  return {
    server_host: '127.0.0.1',
    server_port: postgresPort,
    server_database: 'postgres',
    users: [{ username: 'postgres', pool_size: 5, ...user }],
    ...more,
  };
}

/** … and on whatever listens on this port. */
export function poolAt(port: number, user: Section = {}, more: Section = {}): Section {
  return pool(user, { server_port: port, ...more });
}
