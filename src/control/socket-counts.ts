/** Which sockets a process has, by type and state, as the kernel tells it. Takes tens of milliseconds with ten thousand
 *  of them: not for the main thread (sockets.ts). proc(5), "/proc/net/tcp", "/proc/net/unix". */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** By type and state, such as `tcp_established` or `unix_connected`; `unknown` for other types. */
export type SocketCounts = ReadonlyMap<string, number>;

/** By their number, from 1. */
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
];
/** From 0. */
const UNIX_STATES = ['free', 'unconnected', 'connecting', 'connected', 'disconnecting'];

/** The sockets of the process whose directory in /proc this is. One that comes or goes meanwhile may be missed, or be
 *  `unknown`. */
export function socketCounts(directory = '/proc/self'): SocketCounts {
  const inodes = socketInodes(join(directory, 'fd'));
  const counts = new Map<string, number>();
  const count = (inode: string | undefined, what: string): void => {
    if (inode !== undefined && inodes.delete(inode)) counts.set(what, (counts.get(what) ?? 0) + 1);
  };
  for (const type of ['tcp', 'tcp6']) {
    for (const columns of rowsOf(join(directory, 'net', type))) {
      count(columns[9], `${type}_${TCP_STATES[Number.parseInt(columns[3] ?? '', 16) - 1] ?? 'unknown'}`);
    }
  }
  for (const columns of rowsOf(join(directory, 'net', 'unix'))) {
    count(columns[6], `unix_${UNIX_STATES[Number.parseInt(columns[5] ?? '', 16)] ?? 'unknown'}`);
  }
  return counts.set('unknown', inodes.size);
}

function socketInodes(directory: string): Set<string> {
  const inodes = new Set<string>();
  for (const fd of readdirSync(directory)) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(join(directory, fd)))?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  return inodes;
}

/** '' for a descriptor that has been closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The columns of each line but the heading; none where the kernel has no such sockets. */
function rowsOf(file: string): string[][] {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
}
