/** The metrics' source in the running process: settings, and memory that the workers share. */
import { Connection, ConnectionCounts } from '../../pooler/connection-counts.js';
import type { DataPlaneSettings } from '../../pooler/settings.js';
import { WorkerBoard } from '../../pooler/worker-board.js';
import { SocketWatch } from '../sockets.js';
import type { Statistics } from '../statistics.js';
import { VERSION } from '../version.js';
import type { Workers } from '../workers.js';
import type { AuthQueryFigures, MetricsSource } from './source.js';

export interface LiveSource {
  readonly settings: () => DataPlaneSettings;
  readonly workers: Workers;
  readonly statistics: Statistics;
  readonly authQuery: () => readonly AuthQueryFigures[];
}

export function liveSource({ settings, workers, statistics, authQuery }: LiveSource): MetricsSource {
  const { shared } = workers;
  const sockets = new SocketWatch();
  const board = new WorkerBoard(shared.board, 0);
  const counts = Array.from(
    { length: settings().workerThreads },
    (_, worker) => new ConnectionCounts(shared.connections, worker),
  );
  const sumOf = (what: Connection): number => counts.reduce((sum, each) => sum + each.get(what), 0);
  return {
    version: VERSION,
    pools: () =>
      [...workers.pools.all()].map(([pool, { user, database, poolSize }]) => ({
        user,
        database,
        poolSize,
        statistics: statistics.ofPool(pool),
      })),
    workers: () => workers.status().map((status) => ({ ...status, busy: status.busyPermille / 1000 })),
    workerDeaths: () => workers.deaths,
    connections: () => ({
      total: sumOf(Connection.Total),
      errors: sumOf(Connection.Errors),
      tls: sumOf(Connection.Tls),
      plain: sumOf(Connection.Plain),
      cancel: sumOf(Connection.Cancel),
    }),
    clients: () => board.clients,
    maxConnections: () => settings().maxConnections,
    authQuery,
    sockets: () => sockets.types,
  };
}
