/** Who takes part: ours on each reactor, and every other pooler that is found. */

import { accessSync, closeSync, constants, existsSync, openSync, readSync } from 'node:fs';
import { basename, delimiter, join, resolve } from 'node:path';
import type { Children } from './children.js';
import { reasonOf, UsageError } from './errors.js';
import type { IoBackend, NamedPeer, Options } from './options.js';

export type Kind = 'ours' | 'pgbouncer' | 'odyssey' | 'pg_doorman';

export interface Contestant {
  readonly name: string;
  readonly kind: Kind;
  readonly executable: string;
  readonly version: string;
  /** Of ours; null for the others. */
  readonly ioBackend: IoBackend | null;
}

/** How a contestant is told on the command line and found on PATH. */
const PEER_KINDS = ['pgbouncer', 'odyssey', 'pg_doorman'] as const;
/** Directories that are not on everybody's PATH. */
const MORE_DIRECTORIES = ['/usr/sbin', '/usr/local/sbin'];
const VERSION_TIMEOUT_MS = 10_000;
const ELF_MAGIC = 0x7f454c46;

/** Ours first, then the peers. What cannot be run is left out, and said by `note`. Throws UsageError. */
export async function findContestants(
  options: Options,
  children: Children,
  note: (text: string) => void,
): Promise<Contestant[]> {
  const candidates = [...ourCandidates(options), ...peersOnPath(), ...options.peers.map(namedCandidate)];
  const names = new Set<string>();
  const found: Contestant[] = [];
  for (const candidate of candidates) {
    if (options.poolers.length > 0 && !options.poolers.includes(candidate.name)) continue;
    if (names.has(candidate.name)) throw new UsageError(`two poolers are called ${candidate.name}`);
    names.add(candidate.name);
    try {
      accessSync(candidate.executable, constants.R_OK);
      found.push({ ...candidate, version: await versionOf(candidate, children) });
    } catch (error) {
      note(`${candidate.name} does not take part: ${reasonOf(error)}`);
    }
  }
  for (const name of options.poolers)
    if (!names.has(name)) throw new UsageError(`no pooler is called ${name}`);
  return found;
}

/** Why a contestant cannot do a case at all; null when it can. */
export function notSupported(contestant: Contestant, caseName: string): string | null {
  const tooOld = contestant.kind === 'pgbouncer' && !isAtLeast(contestant.version, 1, 21);
  return caseName === 'prepared' && tooOld ? 'not supported' : null;
}

/** Whether a version like 1.18.0 is this one or newer. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ofMajor = 0, ofMinor = 0] = version.split('.').map(Number);
  return ofMajor > major || (ofMajor === major && ofMinor >= minor);
}

type Candidate = Omit<Contestant, 'version'>;

function ourCandidates(options: Options): Candidate[] {
  return options.backends.map((ioBackend) => ({
    name: `ours-${ioBackend}`,
    kind: 'ours',
    executable: resolve(options.ours),
    ioBackend,
  }));
}

function peersOnPath(): Candidate[] {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE_DIRECTORIES];
  return PEER_KINDS.flatMap((kind): Candidate[] => {
    const executable = directories.map((directory) => join(directory, kind)).find(isProgram);
    return executable === undefined ? [] : [{ name: kind, kind, executable, ioBackend: null }];
  });
}

/** A compiled program; our own command, which has the name of a peer, is a script. */
function isProgram(file: string): boolean {
  if (!existsSync(file)) return false;
  const head = Buffer.alloc(4);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head);
  closeSync(descriptor);
  return head.readUInt32BE(0) === ELF_MAGIC;
}

function namedCandidate({ name, executable }: NamedPeer): Candidate {
  const kind = ['ours' as const, ...PEER_KINDS].find((word) => name.startsWith(word));
  if (kind === undefined)
    throw new UsageError(`--peer ${name}: begin it with ours, ${PEER_KINDS.join(', ')}`);
  const ioBackend = kind !== 'ours' ? null : name.includes('epoll') ? 'epoll' : 'io_uring';
  return { name, kind, executable: resolve(executable), ioBackend };
}

async function versionOf(candidate: Candidate, children: Children): Promise<string> {
  const [file, ...args] = commandOf(candidate);
  const output = await children.run(file, [...args, '--version'], VERSION_TIMEOUT_MS);
  return /\d+(\.\d+)+\S*/.exec(output)?.[0] ?? `${basename(file)} of unknown version`;
}

/** What to start, before its arguments. */
export function commandOf({
  kind,
  executable,
}: Pick<Contestant, 'kind' | 'executable'>): [string, ...string[]] {
  return kind === 'ours' ? [process.execPath, executable] : [executable];
}
