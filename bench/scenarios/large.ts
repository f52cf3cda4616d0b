/** Large results: one client, many megabytes in one answer or one COPY. The CPU is per megabyte that passed. */

import type { Pooler } from '../pooler.js';
import { cpuTimeOf, difference, forgetPeakOf, peakBytesOf } from '../process-usage.js';
import { copyDataMessages, RawConnection } from '../raw-connection.js';
import { cpuColumns, cpuFigures, type Figures, inTurns, type Scenario } from './scenario.js';

/** A row, and a line of COPY with its end. Bytes. */
const ROW_BYTES = 1000;
const LINES_PER_MESSAGE = 8;
const MESSAGES_PER_WRITE = 32;
/** How many results make up what a COPY moves. */
const SELECTS = 5;
const OPEN_TIMEOUT_MS = 10_000;
/** Slowest pace that is waited for, and what comes on top. */
const SLOWEST_MB_PER_SECOND = 5;
const GRACE_MS = 30_000;

/** Moves about so many megabytes and returns how many bytes it were. */
type Transfer = (connection: RawConnection, megabytes: number) => Promise<number>;

const select: Transfer = (connection, megabytes) =>
  connection.query(rows(megabytes, ROW_BYTES), timeoutMs(megabytes));

const copyOut: Transfer = (connection, megabytes) =>
  connection.query(`COPY (${rows(megabytes, ROW_BYTES - 1)}) TO STDOUT`, timeoutMs(megabytes));

/** The rows are parsed and dropped: a table would be more work than the pooler's. */
const COPY_IN = 'COPY bench_copy FROM STDIN WHERE false';
const line = `${'x'.repeat(ROW_BYTES - 1)}\n`;
const messages = copyDataMessages(line.repeat(LINES_PER_MESSAGE), MESSAGES_PER_WRITE);
const copyIn: Transfer = (connection, megabytes) =>
  connection.copyIn(COPY_IN, messages, megabytes * 1e6, timeoutMs(megabytes));

/** In several results where one would be large for a pooler: the clock's ticks are to be small beside their CPU time. */
export const TRANSFERS: readonly { name: string; times: number; transfer: Transfer }[] = [
  { name: 'SELECT', times: SELECTS, transfer: select },
  { name: 'COPY out', times: 1, transfer: copyOut },
  { name: 'COPY in', times: 1, transfer: copyIn },
];

export const large: Scenario = {
  columns: [
    { figure: 'mbPerSecond', title: 'MB/s', digits: 0, isCompared: true },
    ...cpuColumns('ms/MB'),
    { figure: 'rssMB', title: 'RSS MB', digits: 1 },
  ],

  async run(bench) {
    const { largeMB, rounds } = bench.options;
    const rows = [];
    for (const { name, transfer, times } of TRANSFERS) {
      const megabytes = Math.ceil(largeMB / times);
      rows.push(
        ...(await inTurns(bench, 'large', `${name} ${megabytes} MB`, rounds, (pooler) =>
          measureTransfer(pooler, megabytes, times, transfer),
        )),
      );
    }
    return rows;
  },
};

/** Moves so many megabytes, so many times. */
export async function measureTransfer(
  pooler: Pooler,
  megabytes: number,
  times: number,
  transfer: Transfer,
): Promise<Figures> {
  const { address, pid } = pooler;
  const connection = await RawConnection.open(address, OPEN_TIMEOUT_MS);
  try {
    await connection.query('CREATE TABLE IF NOT EXISTS bench_copy (line text)', GRACE_MS);
    await transfer(connection, Math.ceil(megabytes / 20)); // uncounted
    forgetPeakOf(pid);
    const before = cpuTimeOf(pid);
    const begin = performance.now();
    let moved = 0;
    for (let time = 0; time < times; time++) moved += (await transfer(connection, megabytes)) / 1e6;
    const seconds = (performance.now() - begin) / 1000;
    const cpu = difference(before, cpuTimeOf(pid));
    return {
      mbPerSecond: moved / seconds,
      ...cpuFigures(cpu, moved * 1000), // milliseconds
      rssMB: peakBytesOf(pid) / 1e6,
    };
  } finally {
    connection.close();
  }
}

function rows(megabytes: number, bytes: number): string {
  return `SELECT repeat('x', ${bytes}) FROM generate_series(1, ${Math.ceil((megabytes * 1e6) / ROW_BYTES)})`;
}

function timeoutMs(megabytes: number): number {
  return GRACE_MS + (megabytes / SLOWEST_MB_PER_SECOND) * 1000;
}
