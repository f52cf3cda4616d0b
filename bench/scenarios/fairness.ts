/** Fairness over several threads: 120 clients that always want a server, a pool that is the bottleneck since every query
 *  takes a fixed time, and then a drift: half of the clients leave, and half of these come back. Over each second: the
 *  best served client against the worst, the longest wait against the median. */

import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { showOf } from '../console.js';
import { bestOverWorst, longestOverMedian } from '../fairness.js';
import { lineChart } from '../line-chart.js';
import { Load, type Recorded } from '../load.js';
import { withSeveralProcesses } from '../peers.js';
import type { Pooler } from '../pooler.js';
import { type Bench, type Figures, oneByOne, type Row, type Scenario } from './scenario.js';

const CLIENTS = 120;
/** So long that the pool, not the machine, is what clients wait for: 20 servers answer 4,000 queries a second. */
const SERVICE_MS = 5;
const SQL = `SELECT pg_sleep(${SERVICE_MS / 1000})`;
/** One process is fair to all its clients; several would have to share cores fairly as well. */
const LOAD_PROCESSES = 1;
const LOGINS_AT_ONCE = 20;
const WARM_UP_MS = 1_500;
const WINDOW_MS = 1_000;
/** Of the recording after the drift, in those of the one before. */
const AFTER_LENGTHS = 2;

type Series = Map<number, number[]>;

export const fairness: Scenario = {
  columns: [
    { figure: 'tps', title: 'TPS', digits: 0 },
    { figure: 'ratioBefore', title: 'best/worst before', digits: 2 },
    { figure: 'ratioAfter', title: 'after (≤ 1.3)', digits: 2 },
    { figure: 'waitBefore', title: 'longest/median wait before', digits: 2 },
    { figure: 'waitAfter', title: 'after (≤ 3)', digits: 2 },
    { figure: 'longestMs', title: 'longest ms', digits: 1 },
    { figure: 'errors', title: 'errors', digits: 0 },
    { figure: 'loadBusy', title: 'load CPU', digits: 2 },
  ],

  async run(bench) {
    const { manyWorkers, poolSize, seconds, plotFile } = bench.options;
    // Each thread has its share from the start: as many clients as these would else be one thread's.
    const setup = { workers: manyWorkers, poolSize, maxClients: 2 * CLIENTS, spreadsClients: true };
    const poolers = withSeveralProcesses(bench.contestants, manyWorkers).map((contestant) =>
      bench.newPooler(contestant, setup),
    );
    const seriesByName = new Map<string, Series>();
    const caseName = `${CLIENTS} clients, pool of ${poolSize}, ${manyWorkers} workers`;
    const rows = await oneByOne(bench, poolers, 'fairness', caseName, 1, (pooler, remark) => {
      const series: Series = new Map();
      seriesByName.set(pooler.name, series);
      return measure(bench, pooler, series, remark);
    });
    const withSeries = rows.map((row) => ({
      ...row,
      series: Object.fromEntries(seriesByName.get(row.pooler) ?? []),
    }));
    if (plotFile !== undefined) writeFileSync(plotFile, plotOf(withSeries, caseName, seconds));
    return withSeries;
  },
};

async function measure(
  { children, options: { seconds } }: Bench,
  pooler: Pooler,
  series: Series,
  remark: (text: string) => void,
): Promise<Figures> {
  const load = Load.start(children, LOAD_PROCESSES);
  try {
    const opening = { address: pooler.address, sql: SQL, atOnce: LOGINS_AT_ONCE };
    const { ports } = await load.open({ ...opening, clients: numbers(0, CLIENTS) });
    await load.run();
    await sleep(WARM_UP_MS);
    const before = await load.record(WINDOW_MS, seconds);

    const { leaving, who } = await chooseLeaving(pooler, ports);
    const returning = numbers(CLIENTS, leaving.length >> 1);
    remark(`${leaving.length} clients left (${who}), ${returning.length} came back`);
    await load.close(leaving);
    await load.open({ ...opening, clients: returning });
    await load.run();
    const after = await load.record(WINDOW_MS, AFTER_LENGTHS * seconds);

    addTo(series, before, 0);
    addTo(series, after, seconds);
    return figuresOf(before, after);
  } finally {
    await load.end();
  }
}

/** All clients of half the workers where the pooler tells whose they are; else half of all, by chance. */
async function chooseLeaving(
  pooler: Pooler,
  ports: ReadonlyMap<number, number>,
): Promise<{ readonly leaving: number[]; readonly who: string }> {
  const rows = (await showOf(pooler, 'SHOW WAITS')) ?? [];
  const workerByPort = new Map(
    rows.map((row) => [Number(row.get('addr')?.split(':').at(-1)), row.get('worker')]),
  );
  const workerOf = (client: number) => workerByPort.get(ports.get(client) ?? 0);
  const clients = [...ports.keys()];
  const workers = [...new Set(clients.flatMap((client) => workerOf(client) ?? []))].sort();
  if (workers.length < 2) return { leaving: randomHalf(clients), who: 'a random half' };
  const emptied = workers.slice(0, workers.length >> 1);
  return {
    leaving: clients.filter((client) => emptied.includes(workerOf(client) ?? '')),
    who: `all of workers ${emptied.join(' and ')}`,
  };
}

function randomHalf(clients: readonly number[]): number[] {
  const left = [...clients];
  return Array.from({ length: clients.length >> 1 }, () => left.splice(randomInt(left.length), 1)).flat();
}

/** What was worst in any of the seconds. */
function figuresOf(before: Recorded, after: Recorded): Figures {
  const ratio = ({ windows }: Recorded) =>
    Math.max(...windows.map(({ answers }) => bestOverWorst(answers.values())));
  const wait = ({ windows }: Recorded) =>
    Math.max(...windows.map(({ times }) => longestOverMedian(times, SERVICE_MS * 1000)));
  const all = [...before.windows, ...after.windows];
  const answered = all.flatMap(({ answers }) => [...answers.values()]).reduce((sum, count) => sum + count, 0);
  return {
    tps: (answered / all.length / WINDOW_MS) * 1000,
    ratioBefore: ratio(before),
    ratioAfter: ratio(after),
    waitBefore: wait(before),
    waitAfter: wait(after),
    longestMs: Math.max(...after.windows.map(({ times }) => times.highest)) / 1000,
    errors: before.failures.count + after.failures.count,
    loadBusy: Math.max(before.busy, after.busy),
  };
}

/** NaN where a client was not there. */
function addTo(series: Series, { windows }: Recorded, from: number): void {
  for (const [at, { answers }] of windows.entries())
    for (const [client, count] of answers) {
      const line = series.get(client) ?? [];
      while (line.length < from + at) line.push(Number.NaN);
      line.push(count);
      series.set(client, line);
    }
}

/** Ours on the first reactor that served, beside PgBouncer as it is used on several cores, or alone. */
function plotOf(rows: readonly Row[], caseName: string, seconds: number): string {
  const last = (beginning: string) =>
    rows.filter(({ pooler, failure }) => failure === null && pooler.startsWith(beginning)).at(-1);
  const ours = rows.find(({ pooler, failure }) => failure === null && pooler.startsWith('ours'));
  return lineChart({
    title: `Queries per second of each client: ${caseName}`,
    xTitle: 'seconds before and after the drift',
    yTitle: 'queries per second',
    firstX: 0.5 - seconds,
    event: { x: 0, text: 'half leave, half of these come back' },
    panels: [ours, last('pgbouncer')].flatMap((row) =>
      row === undefined ? [] : [{ title: row.pooler, subtitle: subtitleOf(row), lines: linesOf(row) }],
    ),
  });
}

function subtitleOf({ figures }: Row): string {
  const digits = (figure: string) => figures?.[figure]?.toFixed(2) ?? '–';
  return `best / worst client in any second: ${digits('ratioBefore')} before, ${digits('ratioAfter')} after`;
}

function linesOf({ series }: Row): (readonly number[])[] {
  return Object.values(series ?? {});
}

function numbers(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}
