import { Counter } from '../../pooler/counters.js';
import { PoolMode, type PoolSettings } from '../../pooler/settings.js';
import type { PoolSnapshot } from '../../pooler/thread-messages.js';
import type { PoolStatistics } from '../statistics.js';
import { type ConsoleContext, numeric, type Row, type ShowCommand, text } from './command.js';

const COLUMNS = [
  text('database'),
  text('user'),
  text('pool_mode'),
  numeric('cl_idle'),
  numeric('cl_active'),
  numeric('cl_waiting'),
  numeric('cl_cancel_req'),
  numeric('sv_active'),
  numeric('sv_idle'),
  numeric('sv_used'),
  numeric('sv_login'),
  numeric('maxwait'),
  numeric('maxwait_us'),
];

export const SHOW_POOLS: ShowCommand = {
  name: 'POOLS',
  columns: COLUMNS,
  rows: (context) => rowsOf(context, () => []),
};

/** `bytes_recieved` is spelt as scripts know it. */
export const SHOW_POOLS_EXTENDED: ShowCommand = {
  name: 'POOLS_EXTENDED',
  columns: [...COLUMNS, numeric('bytes_recieved'), numeric('bytes_sent'), numeric('avg_wait_time')],
  rows: (context) =>
    rowsOf(context, (pool) => [
      pool.total(Counter.Received),
      pool.total(Counter.Sent),
      pool.lastPeriodMean(Counter.WaitTime, Counter.Assignments),
    ]),
};

async function rowsOf(context: ConsoleContext, more: (pool: PoolStatistics) => Row): Promise<Row[]> {
  const { pools } = await context.snapshot();
  return pools.flatMap((pool) => {
    const settings = context.pools.at(pool.pool);
    if (settings === null) return [];
    return [[...rowOf(settings, pool), ...more(context.statistics.ofPool(pool.pool))]];
  });
}

function rowOf({ database, user, mode }: PoolSettings, pool: PoolSnapshot): Row {
  const waitUs = Math.round(pool.longestWaitMs * 1000);
  return [
    database,
    user,
    poolModeText(mode),
    pool.clientsIdle,
    pool.clientsActive,
    pool.clientsWaiting,
    pool.cancelRequests,
    pool.serversActive,
    pool.serversIdle,
    pool.serversUsed,
    pool.serversLogin,
    Math.floor(waitUs / 1_000_000),
    waitUs % 1_000_000,
  ];
}

/** The mode as it is written in the file. */
export function poolModeText(mode: PoolMode): string {
  return mode === PoolMode.Session ? 'session' : 'transaction';
}
