import { numeric, type ShowCommand, text } from './command.js';
import { poolModeText } from './show-pools.js';

/** One row for each pool. There is no reserve, and no limit beside pool_size: it stands in max_connections too. */
export const SHOW_DATABASES: ShowCommand = {
  name: 'DATABASES',
  columns: [
    text('name'),
    text('host'),
    numeric('port'),
    text('database'),
    text('force_user'),
    numeric('pool_size'),
    numeric('min_pool_size'),
    numeric('reserve_pool'),
    text('pool_mode'),
    numeric('max_connections'),
    numeric('current_connections'),
  ],
  rows: async ({ configuration, pools, snapshot }) => {
    const there = (await snapshot()).pools;
    return [...pools.all()].map(([index, pool]) => {
      const section = configuration().pools[pool.database];
      const now = there.find((each) => each.pool === index);
      const servers =
        now === undefined ? 0 : now.serversActive + now.serversIdle + now.serversUsed + now.serversLogin;
      return [
        pool.database,
        section?.server_host ?? '',
        section?.server_port ?? 0,
        pool.serverDatabase,
        pool.serverUser,
        pool.poolSize,
        pool.minPoolSize,
        0,
        poolModeText(pool.mode),
        pool.poolSize,
        servers,
      ];
    });
  },
};
