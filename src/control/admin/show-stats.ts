import { Counter } from '../../pooler/counters.js';
import type { PoolStatistics } from '../statistics.js';
import { numeric, type Row, type ShowCommand, text } from './command.js';

/** Times are microseconds; averages are of the last whole period, counts among them per second. */
export const SHOW_STATS: ShowCommand = {
  name: 'STATS',
  columns: [
    text('database'),
    text('user'),
    numeric('total_xact_count'),
    numeric('total_query_count'),
    numeric('total_received'),
    numeric('total_sent'),
    numeric('total_xact_time'),
    numeric('total_query_time'),
    numeric('total_wait_time'),
    numeric('total_errors'),
    numeric('avg_xact_count'),
    numeric('avg_query_count'),
    numeric('avg_recv'),
    numeric('avg_sent'),
    numeric('avg_errors'),
    numeric('avg_xact_time'),
    numeric('avg_query_time'),
    numeric('avg_wait_time'),
  ],
  rows: ({ pools, statistics }) =>
    [...pools.all()].map(([index, { database, user }]) => [
      database,
      user,
      ...figuresOf(statistics.ofPool(index)),
    ]),
};

function figuresOf(pool: PoolStatistics): Row {
  return [
    pool.total(Counter.Transactions),
    pool.total(Counter.Queries),
    pool.total(Counter.Received),
    pool.total(Counter.Sent),
    Math.round(pool.total(Counter.TransactionTime)),
    Math.round(pool.total(Counter.QueryTime)),
    Math.round(pool.total(Counter.WaitTime)),
    pool.total(Counter.Errors),
    pool.lastPeriodPerSecond(Counter.Transactions),
    pool.lastPeriodPerSecond(Counter.Queries),
    pool.lastPeriodPerSecond(Counter.Received),
    pool.lastPeriodPerSecond(Counter.Sent),
    pool.lastPeriodPerSecond(Counter.Errors),
    pool.lastPeriodMean(Counter.TransactionTime, Counter.Transactions),
    pool.lastPeriodMean(Counter.QueryTime, Counter.Queries),
    pool.lastPeriodMean(Counter.WaitTime, Counter.Assignments),
  ];
}
