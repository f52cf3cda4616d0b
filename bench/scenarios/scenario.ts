/** What every scenario shares: its columns, its rows, and how the poolers take turns in it. */

import type { Children } from '../children.js';
import { reasonOf } from '../errors.js';
import type { Options } from '../options.js';
import type { Pgbench } from '../pgbench.js';
import type { Pooler } from '../pooler.js';
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
}

/** Who and what a scenario works with. */
export interface Bench {
  readonly options: Options;
  readonly children: Children;
  readonly poolers: readonly Pooler[];
  readonly pgbench: Pgbench;
  /** Tells the person at the terminal. */
  readonly note: (text: string) => void;
}

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
  measure: (pooler: Pooler) => Promise<Figures>,
): Promise<Row[]> {
  const entries = bench.poolers.map((pooler) => ({ pooler, results: [] as Figures[], failure: '' }));
  for (let round = 1; round <= rounds; round++) {
    for (const entry of entries.filter(({ failure }) => failure === '')) {
      bench.note(`${scenario}: ${caseName}, ${entry.pooler.name}, round ${round} of ${rounds}`);
      try {
        await entry.pooler.ensureRunning();
        entry.results.push(await measure(entry.pooler));
      } catch (error) {
        if (bench.children.isEnding) throw error;
        entry.failure = reasonOf(error);
        await entry.pooler.stop();
      }
    }
  }
  return entries.map(({ pooler, results, failure }) => ({
    scenario,
    case: caseName,
    pooler: pooler.name,
    figures: failure === '' ? mediansOf(results) : null,
    failure: failure === '' ? null : failure,
  }));
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
