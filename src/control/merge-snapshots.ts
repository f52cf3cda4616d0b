/** What there is in all workers, from what there is in each. */
import type { PoolSnapshot, WorkerSnapshot } from '../pooler/thread-messages.js';

export function mergeSnapshots(snapshots: readonly WorkerSnapshot[]): WorkerSnapshot {
  return {
    clients: snapshots.flatMap(({ clients }) => clients),
    servers: snapshots.flatMap(({ servers }) => servers),
    pools: mergePools(snapshots.flatMap(({ pools }) => pools)),
    waits: snapshots.flatMap(({ waits }) => waits),
    logins: sumOf(snapshots, ({ logins }) => logins),
    connections: {
      total: sumOf(snapshots, ({ connections }) => connections.total),
      errors: sumOf(snapshots, ({ connections }) => connections.errors),
      tls: sumOf(snapshots, ({ connections }) => connections.tls),
      plain: sumOf(snapshots, ({ connections }) => connections.plain),
      cancel: sumOf(snapshots, ({ connections }) => connections.cancel),
    },
  };
}

/** One row for each pool, whichever workers it comes from. */
function mergePools(rows: readonly PoolSnapshot[]): PoolSnapshot[] {
  const byPool = new Map<number, PoolSnapshot[]>();
  for (const row of rows) byPool.set(row.pool, [...(byPool.get(row.pool) ?? []), row]);
  return [...byPool].map(([pool, parts]) => ({
    pool,
    clientsIdle: sumOf(parts, (each) => each.clientsIdle),
    clientsActive: sumOf(parts, (each) => each.clientsActive),
    clientsWaiting: sumOf(parts, (each) => each.clientsWaiting),
    cancelRequests: sumOf(parts, (each) => each.cancelRequests),
    serversActive: sumOf(parts, (each) => each.serversActive),
    serversIdle: sumOf(parts, (each) => each.serversIdle),
    serversUsed: sumOf(parts, (each) => each.serversUsed),
    serversLogin: sumOf(parts, (each) => each.serversLogin),
    longestWaitMs: Math.max(...parts.map((each) => each.longestWaitMs)),
    oldestActiveMs: Math.max(...parts.map((each) => each.oldestActiveMs)),
    isPaused: parts.some((each) => each.isPaused),
  }));
}

function sumOf<T>(all: readonly T[], of: (each: T) => number): number {
  return all.reduce((sum, each) => sum + of(each), 0);
}
