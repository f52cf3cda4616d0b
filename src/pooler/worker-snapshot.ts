/** What a worker has at this moment, for the console and the metrics. */
import { Connection } from './connection-counts.js';
import type { DataPlane } from './data-plane.js';
import type { Pool } from './pool.js';
import type { WorkerSnapshot } from './thread-messages.js';

export function workerSnapshot(plane: DataPlane): WorkerSnapshot {
  const active = new Map<Pool, { count: number; oldestMs: number }>();
  for (const { pool, isActive, transactionMs } of plane.allClients()) {
    if (!isActive) continue;
    const { count, oldestMs } = active.get(pool) ?? { count: 0, oldestMs: 0 };
    active.set(pool, { count: count + 1, oldestMs: Math.max(oldestMs, transactionMs) });
  }
  const { connections } = plane;
  const pools = [...plane.allPools()];
  return {
    clients: [...plane.allClients()].map((client) => client.snapshot()),
    servers: pools.flatMap((pool) => [...pool.servers].map((server) => server.snapshot())),
    pools: pools.map((pool) => {
      const { count, oldestMs } = active.get(pool) ?? { count: 0, oldestMs: 0 };
      return pool.snapshot(count, oldestMs);
    }),
    waits: plane.administration.waits(),
    logins: plane.logins,
    connections: {
      total: connections.get(Connection.Total),
      errors: connections.get(Connection.Errors),
      tls: connections.get(Connection.Tls),
      plain: connections.get(Connection.Plain),
      cancel: connections.get(Connection.Cancel),
    },
  };
}
