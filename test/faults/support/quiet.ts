/** What is left when all clients have gone: nothing but idle servers, which PostgreSQL knows too. */
import { readdirSync } from 'node:fs';
import type { Postgres } from '../../support/postgres.js';
import { eventually } from './eventually.js';

const QUIET_MS = 10_000;
const CLIENT_COLUMNS = ['cl_idle', 'cl_active', 'cl_waiting', 'cl_cancel_req'];
const SERVER_COLUMNS = ['sv_active', 'sv_used', 'sv_login'];

/** A pooler that runs. */
interface Running {
  readonly pid: number;
  /** The rows of a command of the admin console. */
  admin(command: string): Promise<Record<string, string>[]>;
}

/** Descriptors of the pooler that are no servers'. */
export async function descriptorsBeside(pooler: Running): Promise<number> {
  const servers = await pooler.admin('show servers');
  return readdirSync(`/proc/${pooler.pid}/fd`).length - servers.length;
}

/** Returns when nobody is there and nothing is left. `descriptors` as descriptorsBeside said in the beginning. */
export async function fallsQuiet(pooler: Running, postgres: Postgres, poolSize: number, descriptors: number) {
  const look = async () => {
    const pools = await pooler.admin('show pools');
    const servers = await pooler.admin('show servers');
    const lists = await pooler.admin('show lists');
    const sum = (columns: string[]) =>
      pools.flatMap((pool) => columns.map((column) => Number(pool[column]))).reduce((a, b) => a + b, 0);
    return {
      clients: (await pooler.admin('show clients')).length + sum(CLIENT_COLUMNS),
      logins: Number(lists.find(({ list }) => list === 'login_clients')?.items),
      busyServers: servers.filter(({ state }) => state !== 'idle').length + sum(SERVER_COLUMNS),
      serversTooMany: Math.max(0, servers.length - poolSize),
      sessionsOfNobody: (await sessions(postgres)) - servers.length,
      descriptorsTooMany: (await descriptorsBeside(pooler)) - descriptors,
    };
  };
  await eventually('the pooler falls quiet', QUIET_MS, look, (found) =>
    Object.values(found).every((value) => value === 0),
  );
}

/** The client sessions that PostgreSQL has, but for the one that asks. */
async function sessions(postgres: Postgres): Promise<number> {
  const { rows } = await postgres.query(`
    select count(*)::int as count from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()`);
  return rows[0].count;
}
