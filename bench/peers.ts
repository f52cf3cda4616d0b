/** Who takes part: ours on each reactor, and every other pooler that is found. */

import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Children } from './children.js';
import { reasonOf, UsageError } from './errors.js';
import type { Options } from './options.js';

type Kind = 'ours' | 'pgbouncer' | 'odyssey' | 'pg_doorman-rust' | 'patroni_proxy' | 'haproxy';

export interface Contestant {
  readonly name: string;
  readonly kind: Kind;
  /** What to start, before its arguments. */
  readonly command: readonly [string, ...string[]];
  /** general.io_backend of ours; null for the others. */
  readonly ioBackend: 'io_uring' | 'epoll' | null;
  readonly version: string;
  /** How many of it listen on one port and share the pool out among themselves. */
  readonly processes: number;
}

type Candidate = Omit<Contestant, 'version' | 'processes'>;

/** Directories that are not on everybody's PATH. */
const MORE_DIRECTORIES = ['/usr/sbin', '/usr/local/sbin'];
const VERSION_TIMEOUT_MS = 10_000;
const ELF_MAGIC = 0x7f454c46;

/** Ours first, then the peers. What was named and cannot be run is left out, and said by `note`. Throws UsageError when
 *  nobody is left. */
export async function findContestants(
  options: Options,
  children: Children,
  note: (text: string) => void,
): Promise<Contestant[]> {
  return able(poolers(options), options, children, note);
}

/** The same of proxies. */
export async function findProxies(
  options: Options,
  children: Children,
  note: (text: string) => void,
): Promise<Contestant[]> {
  return able(proxies(options), options, children, note);
}

async function able(
  candidates: readonly Candidate[],
  options: Options,
  children: Children,
  note: (text: string) => void,
): Promise<Contestant[]> {
  const found: Contestant[] = [];
  for (const candidate of candidates) {
    const { name } = candidate;
    if (options.only.length > 0 && !options.only.some((word) => name.startsWith(word))) continue;
    try {
      found.push({ ...candidate, version: await versionOf(candidate, children), processes: 1 });
    } catch (error) {
      note(`${name} does not take part: ${reasonOf(error)}`);
    }
  }
  if (found.length === 0) throw new UsageError('nobody is left to run');
  return found;
}

async function versionOf({ kind, command }: Candidate, children: Children): Promise<string> {
  const [file, ...args] = command;
  const asking = kind === 'haproxy' ? ['-v'] : [...args, '--version'];
  const output = await children.run(file, asking, VERSION_TIMEOUT_MS);
  return /\d+(\.\d+)+\S*/.exec(output)?.[0] ?? 'unknown';
}

/** Behind a PgBouncer, which uses one core, several of it: how it is used on more cores. PgBouncer's manual,
 *  so_reuseport. */
export function withSeveralProcesses(contestants: readonly Contestant[], processes: number): Contestant[] {
  return contestants.flatMap((contestant) =>
    contestant.kind === 'pgbouncer' && processes > 1
      ? [contestant, { ...contestant, name: `${contestant.name}×${processes}`, processes }]
      : [contestant],
  );
}

/** Whether it can keep prepared statements in transaction pooling at all: PgBouncer since 1.21. */
export function keepsPreparedStatements({ kind, version }: Contestant): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return kind !== 'pgbouncer' || major > 1 || minor >= 21;
}

function poolers(options: Options): Candidate[] {
  return [
    ...ours('ours', options.ours),
    ...peer('pgbouncer', 'pgbouncer', options.pgbouncer),
    ...peer('odyssey', 'odyssey', options.odyssey),
    ...peer('pg_doorman-rust', 'pg_doorman', options.pgDoormanRust),
  ];
}

function proxies({ oursProxy, haproxy }: Options): Candidate[] {
  return [...ours('patroni_proxy', oursProxy), ...peer('haproxy', 'haproxy', haproxy, ['-f'])];
}

/** On each reactor. */
function ours(kind: Kind, program: string): Candidate[] {
  return (['io_uring', 'epoll'] as const).map((ioBackend) => ({
    name: `ours-${ioBackend}`,
    kind,
    command: [process.execPath, program],
    ioBackend,
  }));
}

function peer(kind: Kind, program: string, named: string | undefined, args: string[] = []): Candidate[] {
  const file = named ?? onPath(program);
  return file === undefined ? [] : [{ name: kind, kind, command: [file, ...args], ioBackend: null }];
}

function onPath(program: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE_DIRECTORIES];
  return directories.map((directory) => join(directory, program)).find(isCompiled);
}

/** Our own command, which has the name of a peer, is a script. */
function isCompiled(file: string): boolean {
  if (!existsSync(file)) return false;
  const head = Buffer.alloc(4);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head);
  closeSync(descriptor);
  return head.readUInt32BE(0) === ELF_MAGIC;
}
