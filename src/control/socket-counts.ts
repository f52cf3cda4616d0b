/** Which sockets this process has, and in what state: from its descriptors, and the kernel's tables of sockets, in which
 *  they are found by inode. proc(5), "/proc/pid/net". */
import { readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';

/** By the number that the tables have; include/net/tcp_states.h. */
const TCP_STATES = [
  'established',
  'syn_sent',
  'syn_recv',
  'fin_wait1',
  'fin_wait2',
  'time_wait',
  'close',
  'close_wait',
  'last_ack',
  'listen',
  'closing',
  'new_syn_recv',
] as const;
/** include/uapi/linux/net.h */
const UNIX_STATES = ['free', 'unconnected', 'connecting', 'connected', 'disconnecting'] as const;

/** What there may be, in the order in which it is shown. */
export const SOCKET_KINDS: readonly string[] = [
  ...TCP_STATES.map((state) => `tcp_${state}`),
  ...TCP_STATES.map((state) => `tcp6_${state}`),
  ...UNIX_STATES.map((state) => `unix_${state}`),
  'unknown',
];

/** After so many descriptors others have their turn: looking at one is a system call. */
const LOOKED_AT_ONCE = 500;

/** How many there are of each of SOCKET_KINDS. Throws when /proc cannot be read. */
export async function socketCounts(): Promise<Map<string, number>> {
  const own = await ownInodes();
  const [tcp, tcp6, unix] = await Promise.all(
    ['tcp', 'tcp6', 'unix'].map((table) => readFile(`/proc/self/net/${table}`, 'latin1').catch(() => '')),
  );
  const counts = new Map(SOCKET_KINDS.map((kind) => [kind, 0]));
  const count = (kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const found = (inode: string, prefix: string, states: readonly string[], state: number): void => {
    if (own.delete(inode)) count(states[state] === undefined ? 'unknown' : `${prefix}_${states[state]}`);
  };
  for (const [state, inode] of rowsOf(tcp ?? '', TCP_ROW)) found(inode, 'tcp', TCP_STATES, state - 1);
  for (const [state, inode] of rowsOf(tcp6 ?? '', TCP_ROW)) found(inode, 'tcp6', TCP_STATES, state - 1);
  for (const [state, inode] of rowsOf(unix ?? '', UNIX_ROW)) found(inode, 'unix', UNIX_STATES, state);
  counts.set('unknown', (counts.get('unknown') ?? 0) + own.size);
  return counts;
}

/** Of the sockets among the descriptors of this process. */
async function ownInodes(): Promise<Set<string>> {
  const inodes = new Set<string>();
  const descriptors = await readdir('/proc/self/fd');
  for (const [index, descriptor] of descriptors.entries()) {
    if (index % LOOKED_AT_ONCE === LOOKED_AT_ONCE - 1) await setImmediate();
    const target = targetOf(descriptor);
    if (target.startsWith('socket:[')) inodes.add(target.slice('socket:['.length, -1));
  }
  return inodes;
}

/** '' when it has been closed meanwhile. */
function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return '';
  }
}

/** State and inode of each line: `sl local remote st tx:rx tr:when retrnsmt uid timeout inode …`. */
const TCP_ROW = /^ *\d+: \S+ \S+ (?<state>\w\w) \S+ \S+ \w+ +\d+ +\d+ (?<inode>\d+)/gm;
/** `num: refcount protocol flags type st inode path` */
const UNIX_ROW = /^\w+: \w+ \w+ \w+ \w+ (?<state>\w\w) +(?<inode>\d+)/gm;

function* rowsOf(table: string, row: RegExp): Iterable<readonly [state: number, inode: string]> {
  for (const { groups } of table.matchAll(row)) {
    yield [Number.parseInt(groups?.state ?? '', 16), groups?.inode ?? ''];
  }
}
