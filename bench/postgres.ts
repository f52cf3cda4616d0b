/** A PostgreSQL of the benchmark's own, in a directory that goes away with it: trust, loopback, without durability, so
 *  that its own work is small beside the pooler's. */

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Children } from './children.js';
import { NotPossible, ProgramFailed } from './errors.js';
import type { Address } from './messages.js';
import { freePort } from './ports.js';
import { RawConnection } from './raw-connection.js';
import { giveTo, type RunAs } from './unprivileged-user.js';

/** The same names everywhere. */
export const USER = 'bench';
export const DATABASE = 'bench';

export interface Postgres {
  readonly address: Address;
  /** The directory of its unix socket. */
  readonly socketDirectory: string;
  /** Where its programs lie. */
  readonly bin: string;
  readonly version: string;
}

const START_TIMEOUT_MS = 60_000;

/** Starts it with room for `connections` server connections. Throws ProgramFailed or NotPossible. */
export async function startPostgres(
  children: Children,
  directory: string,
  runAs: RunAs,
  bin: string,
  connections: number,
): Promise<Postgres> {
  const data = join(directory, 'postgres');
  mkdirSync(data);
  giveTo(runAs, data);
  const options = { ...runAs, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }, cwd: data };
  await children.run(
    join(bin, 'initdb'),
    ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    START_TIMEOUT_MS,
    options,
  );
  const version = await children.run(join(bin, 'postgres'), ['--version'], START_TIMEOUT_MS, options);

  const port = await freePort();
  const log = join(directory, 'postgres.log');
  const child = children.start(join(bin, 'postgres'), ['-D', data, ...settings(port, data, connections)], {
    ...options,
    logFile: log,
    endSignal: 'SIGINT', // fast shutdown
    killSignal: 'SIGQUIT', // immediate shutdown, which ends the backends too
  });
  const template = { port, user: USER, database: 'postgres' };
  const connection = await RawConnection.openWhenUp(template, START_TIMEOUT_MS, () => {
    if (child.exitCode !== null)
      throw new ProgramFailed('postgres', 'ended at its start', readFileSync(log, 'utf8'));
  });
  await connection.query(`CREATE DATABASE ${DATABASE}`, START_TIMEOUT_MS);
  connection.close();
  const address = { port, user: USER, database: DATABASE };
  return { address, socketDirectory: data, bin, version: /\d+(\.\d+)*/.exec(version)?.[0] ?? version.trim() };
}

/** The first on PATH, else the newest where Debian puts them. Throws NotPossible. */
export function findPostgresBin(): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root) : [];
  const bin = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin')),
  ].find((directory) => ['initdb', 'postgres'].every((program) => existsSync(join(directory, program))));
  if (bin === undefined) throw new NotPossible('no PostgreSQL found: say where with --postgres BIN_DIR');
  return bin;
}

function settings(port: number, socketDirectory: string, connections: number): string[] {
  return [
    ...['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${socketDirectory}`],
    ...[`max_connections=${connections + 50}`, 'shared_buffers=256MB', 'work_mem=64MB', 'max_wal_size=4GB'],
    ...['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'autovacuum=off', 'jit=off'],
    ...['max_parallel_workers_per_gather=0', 'logging_collector=off', 'log_min_messages=error'],
  ].flatMap((setting) => ['-c', setting]);
}
