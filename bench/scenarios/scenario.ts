/** What every scenario shares: its columns, its rows, and how the poolers take turns in it. */

import type { Children } from '../children.js';
import type { PoolerSetup } from '../configurations.js';
import { reasonOf } from '../errors.js';
import type { Options } from '../options.js';
import type { Contestant } from '../peers.js';
import type { Pgbench } from '../pgbench.js';
import type { Pooler } from '../pooler.js';
import type { Postgres } from '../postgres.js';
import type { CpuTime } from '../process-usage.js';

/** One figure of a row. */
export interface Column {
  readonly figure: string;
  readonly title: string;
  /** Behind the decimal point. */
  readonly digits: number;
  /** Whether the table says its ratio to each peer. */
  readonly isCompared?: boolean;
}

export type Figures = Readonly<Record<string, number>>;

/** What one pooler did in one case. */
export interface Row {
  readonly scenario: string;
  readonly case: string;
  readonly pooler: string;
  /** Medians of the rounds; null: it failed. */
  readonly figures: Figures | null;
  /** Why it failed; null: it did not. */
  readonly failure: string | null;
  /** What a reader of the figures must know; empty: nothing. */
  readonly remark: string;
  /** What the plots are drawn from: figures over time, by client. */
  readonly series?: Readonly<Record<string, readonly number[]>>;
}

/** Who and what a scenario works with. */
export interface Bench {
  readonly options: Options;
  readonly children: Children;
  /** Those that several scenarios use as they are; a scenario may make its own. */
  readonly poolers: readonly Pooler[];
  readonly contestants: readonly Contestant[];
  /** Another pooler, which does not run yet; what is not said is as for `poolers`. */
  readonly newPooler: (contestant: Contestant, setup: Partial<PoolerSetup>) => Pooler;
  readonly postgres: Postgres;
  readonly pgbench: Pgbench;
  /** Tells the person at the terminal. */
  readonly note: (text: string) => void;
}

/** Measures one pooler; `remark` is for the reader of its row. */
export type Measure = (pooler: Pooler, remark: (text: string) => void) => Promise<Figures>;

export interface Scenario {
  readonly columns: readonly Column[];
  run(bench: Bench): Promise<Row[]>;
}

/** The columns of CPU per unit of work, as every scenario that has them names them. */
export function cpuColumns(unit: string): Column[] {
  return [
    { figure: 'cpu', title: `CPU ${unit}`, digits: 2, isCompared: true },
    { figure: 'cpuUser', title: 'user', digits: 2 },
    { figure: 'cpuSystem', title: 'system', digits: 2 },
  ];
}

/** CPU time over an amount of work. */
export function cpuFigures({ user, system }: CpuTime, work: number): Figures {
  return { cpu: (user + system) / work, cpuUser: user / work, cpuSystem: system / work };
}

/** Measures every pooler once a round, one after the other: A B A B. A pooler that fails is out of this case only.
 *  Rejects when the benchmark is being ended. */
export async function inTurns(
  bench: Bench,
  scenario: string,
  caseName: string,
  rounds: number,
  measure: Measure,
): Promise<Row[]> {
  const entries = bench.poolers.map((pooler) => ({
    pooler,
    results: [] as Figures[],
    failure: '',
    remark: '',
  }));
  for (let round = 1; round <= rounds; round++) {
    for (const entry of entries.filter(({ failure }) => failure === '')) {
      bench.note(`${scenario}: ${caseName}, ${entry.pooler.name}, round ${round} of ${rounds}`);
      try {
        await entry.pooler.ensureRunning();
        const remark = (text: string) => {
          entry.remark = text;
        };
        const figures = await measure(entry.pooler, remark);
        entry.results.push(figures);
        bench.note(`  ${textOf(figures)}`); // so that they are known when the benchmark is ended early
      } catch (error) {
        if (bench.children.isEnding) throw error;
        entry.failure = reasonOf(error);
        await entry.pooler.stop();
      }
    }
  }
  return entries.map(({ pooler, results, failure, remark }) => ({
    scenario,
    case: caseName,
    pooler: pooler.name,
    figures: failure === '' ? mediansOf(results) : null,
    failure: failure === '' ? null : failure,
    remark,
  }));
}

function textOf(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(', ');
}

/** The same for poolers of the scenario's own, of which one runs at a time. */
export async function oneByOne(
  bench: Bench,
  poolers: readonly Pooler[],
  scenario: string,
  caseName: string,
  rounds: number,
  measure: Measure,
): Promise<Row[]> {
  for (const pooler of bench.poolers) await pooler.stop();
  return inTurns({ ...bench, poolers }, scenario, caseName, rounds, async (pooler, remark) => {
    try {
      return await measure(pooler, remark);
    } finally {
      await pooler.stop();
    }
  });
}

function mediansOf(results: readonly Figures[]): Figures {
  const names = Object.keys(results[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, median(results.map((figures) => figures[name] ?? Number.NaN))]),
  );
}

/** The middle value; the mean of the two in the middle for an even number. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  const lower = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  return (lower + upper) / 2;
}
