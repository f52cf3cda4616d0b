/** Whether the pooler is after the run what it was in the beginning. The medians of the first and the last third are
 *  compared, after a warm-up in which the compiler and the caches settle: single outliers decide nothing. */
import type { Sample } from './samples.js';

const WARM_UP = 0.2;
const MEGABYTE = 1024 * 1024;

export interface Finding {
  readonly what: string;
  readonly first: number;
  readonly last: number;
  readonly unit: string;
  /** In words, what was asked for. */
  readonly limit: string;
  readonly isGood: boolean;
}

export interface Ending {
  readonly failures: number;
  readonly complaints: number;
}

/** The samples after the warm-up. */
function settled(samples: readonly Sample[]): readonly Sample[] {
  return samples.slice(Math.ceil(samples.length * WARM_UP));
}

export function verdict(samples: readonly Sample[], { failures, complaints }: Ending): Finding[] {
  const after = settled(samples);
  const third = Math.max(1, Math.floor(after.length / 3));
  const compare = (
    what: string,
    of: (sample: Sample) => number,
    unit: string,
    [limit, allows]: readonly [string, (first: number) => number],
  ): Finding => {
    const first = median(after.slice(0, third).map(of));
    const last = median(after.slice(-third).map(of));
    return { what, first, last, unit, limit, isGood: last <= allows(first) };
  };
  const none = (what: string, count: number): Finding => ({
    what,
    first: 0,
    last: count,
    unit: '',
    limit: 'none',
    isGood: count === 0,
  });
  return [
    compare('resident memory', ({ rss }) => rss / MEGABYTE, 'MB', [
      '+ 10 %', // garbage that V8 has not collected yet comes and goes
      (first) => first * 1.1,
    ]),
    compare(
      'descriptors beside clients and servers',
      ({ descriptors, clients, servers }) => descriptors - clients - servers,
      '',
      ['+ 2', (first) => first + 2],
    ),
    compare('servers', ({ servers }) => servers, '', ['+ 2', (first) => first + 2]),
    compare('statements on all servers', ({ statements }) => statements, '', [
      '+ 20 %',
      (first) => first * 1.2,
    ]),
    compare('latency p50', ({ p50Ms }) => p50Ms, 'ms', ['+ 30 %', (first) => first * 1.3]),
    compare('latency p99', ({ p99Ms }) => p99Ms, 'ms', ['× 2', (first) => first * 2]),
    none('flows with a wrong answer or an unexpected error', failures),
    none('warnings and errors in the log', complaints),
  ];
}

/** How fast resident memory grows after the warm-up, bytes per hour: the median of the slopes between all pairs of
 *  samples (Theil and Sen). */
export function memorySlope(samples: readonly Sample[]): number {
  const after = settled(samples);
  return median(
    after.flatMap((a, index) =>
      after.slice(index + 1).map((b) => ((b.rss - a.rss) / (b.second - a.second)) * 3600),
    ),
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
