/** The sockets of this process, counted in a thread of their own: with thousands of them it takes too long for the main
 *  thread. */
import { startThread } from '../program/parts.js';

/** By kind: see SOCKET_KINDS. */
type SocketCounts = ReadonlyMap<string, number>;

/** What was counted is told again for so long. */
const FRESH_MS = 30_000;

let underway: Promise<SocketCounts | null> | null = null;

/** All sockets by type and state; null when they cannot be counted. Those who ask at the same time get the same. */
function countSockets(): Promise<SocketCounts | null> {
  underway ??= census().finally(() => {
    underway = null;
  });
  return underway;
}

function census(): Promise<SocketCounts | null> {
  return new Promise((resolve) => {
    const thread = startThread('control/socket-census');
    thread.once('message', (counts: SocketCounts) => resolve(counts));
    thread.once('error', () => resolve(null)); // no descriptor or no memory for it: not worth ending for
    thread.once('exit', () => resolve(null));
  });
}

/** The latest count for who cannot wait for one. */
export class SocketWatch {
  private counted: Readonly<Record<string, number>> | null = null;
  private askedMs = Number.NEGATIVE_INFINITY;

  /** By type; null before the first count. Not much older than FRESH_MS if it is looked at that often. */
  get types(): Readonly<Record<string, number>> | null {
    if (performance.now() - this.askedMs >= FRESH_MS) this.countAgain();
    return this.counted;
  }

  private countAgain(): void {
    this.askedMs = performance.now();
    void countSockets().then((counts) => {
      if (counts !== null) this.counted = socketTypes(counts);
    });
  }
}

/** How many of each type: tcp, tcp6, unix and unknown. */
function socketTypes(counts: SocketCounts): Readonly<Record<string, number>> {
  const types = { tcp: 0, tcp6: 0, unix: 0, unknown: 0 };
  for (const [what, count] of counts) {
    const [type] = what.split('_', 1);
    if (type === 'tcp' || type === 'tcp6' || type === 'unix') types[type] += count;
    else types.unknown += count;
  }
  return types;
}
