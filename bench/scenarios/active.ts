/** Very many active clients on a small pool: each sends its next query as soon as it has its answer. A pooler that is fair
 *  lets all wait alike, clients ÷ throughput: the ideal that the slowest hundredth is measured by. With queries that take
 *  no time it is the machine that is short, and who waits longer is also up to how the kernel shares it out among
 *  clients, pooler and PostgreSQL; with queries that take some it is the servers, and so up to the pooler alone. */

import { NotPossible } from '../errors.js';
import { Load, loadProcesses } from '../load.js';
import { withSeveralProcesses } from '../peers.js';
import type { Pooler } from '../pooler.js';
import { descriptorLimitOf, difference } from '../process-usage.js';
import {
  type Bench,
  cpuColumns,
  cpuFigures,
  type Figures,
  oneByOne,
  type Row,
  type Scenario,
} from './scenario.js';

export const ACTIVE_POOL_SIZE = 40;
const QUERIES = [
  { sql: 'SELECT 1', what: 'SELECT 1', secondsTimes: 1 },
  { sql: 'SELECT pg_sleep(0.005)', what: 'queries of 5 ms', secondsTimes: 2 },
] as const;
const LOGINS_AT_ONCE = 50;
/** Before anything is counted each client has had so many answers, and ours has had the time to gather the clients of
 *  threads that it does not need: whatever the machine, caches and compilers are warm. */
const WARM_UP_ANSWERS = 10;
const WARM_UP_SECONDS = 12;
const WARM_UP_SECONDS_MAX = 30;
const SPARE_DESCRIPTORS = 200;

export const active: Scenario = {
  columns: [
    { figure: 'tps', title: 'TPS', digits: 0, isCompared: true },
    { figure: 'p50Ms', title: 'p50 ms', digits: 0 },
    { figure: 'p99Ms', title: 'p99 ms', digits: 0 },
    { figure: 'idealMs', title: 'ideal ms', digits: 0 },
    { figure: 'p99OfIdeal', title: 'p99/ideal (≤ 1.5)', digits: 2 },
    ...cpuColumns('µs/query'),
    { figure: 'rssMB', title: 'RSS MB (≤ 120)', digits: 1 },
    { figure: 'errors', title: 'errors', digits: 0 },
    { figure: 'loadBusy', title: 'load CPU', digits: 2 },
  ],

  async run(bench) {
    const { manyWorkers, activeClients, seconds } = bench.options;
    const setup = { workers: manyWorkers, poolSize: ACTIVE_POOL_SIZE, maxClients: activeClients };
    const poolers = withSeveralProcesses(bench.contestants, manyWorkers).map((contestant) =>
      bench.newPooler(contestant, setup),
    );
    const rows: Row[] = [];
    for (const { sql, what, secondsTimes } of QUERIES) {
      const caseName = `${activeClients} clients, pool of ${ACTIVE_POOL_SIZE}, ${manyWorkers} workers, ${what}`;
      const load = { clients: activeClients, sql, seconds: secondsTimes * seconds };
      const added = await oneByOne(bench, poolers, 'active', caseName, 1, (pooler, remark) =>
        measure(bench, pooler, load, remark),
      );
      rows.push(...added);
    }
    return rows;
  },
};

interface ActiveLoad {
  readonly clients: number;
  readonly sql: string;
  /** For how long it is recorded. */
  readonly seconds: number;
}

async function measure(
  { children }: Bench,
  pooler: Pooler,
  { clients: count, sql, seconds }: ActiveLoad,
  remark: (text: string) => void,
): Promise<Figures> {
  if (count > descriptorLimitOf(pooler.pid) - SPARE_DESCRIPTORS)
    throw new NotPossible(`the limit of descriptors is too low for ${count} clients`);
  const load = Load.start(children, loadProcesses());
  try {
    const { address } = pooler;
    const clients = Array.from({ length: count }, (_, id) => id);
    const opened = await load.open({ address, clients, sql, atOnce: LOGINS_AT_ONCE });
    await load.run();
    await warmUp(load, count);
    pooler.forgetPeak();
    const before = pooler.cpuTime();
    const begin = performance.now();
    const { windows, failures, busy } = await load.record(seconds * 1000, 1);
    const cpu = difference(before, pooler.cpuTime());
    const elapsed = (performance.now() - begin) / 1000;

    const [window] = windows;
    if (window === undefined) throw new NotPossible('nothing was recorded');
    const tps = [...window.answers.values()].reduce((sum, answers) => sum + answers, 0) / seconds;
    const p99Ms = window.times.quantile(0.99) / 1000;
    const idealMs = (count / tps) * 1000;
    remark(opened.failures.first || failures.first);
    return {
      tps,
      p50Ms: window.times.quantile(0.5) / 1000,
      p99Ms,
      idealMs,
      p99OfIdeal: p99Ms / idealMs,
      ...cpuFigures(cpu, tps * elapsed),
      rssMB: pooler.peakBytes() / 1e6,
      errors: opened.failures.count + failures.count,
      loadBusy: busy,
    };
  } finally {
    await load.end();
  }
}

async function warmUp(load: Load, clients: number): Promise<void> {
  let answered = 0;
  const isWarm = (second: number): boolean =>
    second >= WARM_UP_SECONDS && answered >= WARM_UP_ANSWERS * clients;
  for (let second = 0; second < WARM_UP_SECONDS_MAX && !isWarm(second); second++) {
    const { windows } = await load.record(1000, 1);
    for (const answers of windows[0]?.answers.values() ?? []) answered += answers;
  }
}
