/** The processes of one PostgreSQL, to do to them what no command does. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Postgres } from '../../support/postgres.js';
import { eventually } from './eventually.js';

const GONE_MS = 10_000;

/** kill -9 of the postmaster. Returns when the others have followed it: a new one does not start before. */
export async function killPostmaster(postgres: Postgres): Promise<void> {
  process.kill(postmasterOf(postgres), 'SIGKILL');
  await eventually(
    'they are gone',
    GONE_MS,
    () => processesOf(postgres),
    ({ length }) => length === 0,
  );
}

/** Stops every process, the postmaster first so that no new one comes. Returns what lets them go on. */
export function freeze(postgres: Postgres): () => void {
  const postmaster = postmasterOf(postgres);
  process.kill(postmaster, 'SIGSTOP');
  const frozen = processesOf(postgres);
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const pid of frozen) process.kill(pid, 'SIGCONT');
  };
}

function postmasterOf(postgres: Postgres): number {
  return Number(readFileSync(join(dataOf(postgres), 'postmaster.pid'), 'utf8').split('\n')[0]);
}

/** All of them live in the directory of the data. */
function processesOf(postgres: Postgres): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => livesIn(pid) === dataOf(postgres)).map(Number);
}

function livesIn(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return ''; // gone, a zombie, or somebody else's
  }
}

function dataOf(postgres: Postgres): string {
  return join(postgres.directory, 'data');
}
