/** What a soak leaves behind: soak.md with tables and a plot, soak.svg, and all samples as JSON. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { join } from 'node:path';
import type { Flow } from './flows.js';
import { plot } from './plot.js';
import type { Sample } from './samples.js';
import { type Finding, memorySlope } from './verdict.js';

const MEGABYTE = 1024 * 1024;

export interface Result {
  readonly minutes: number;
  readonly perSecond: number;
  readonly postgres: string;
  readonly samples: readonly Sample[];
  readonly findings: readonly Finding[];
  /** Flows that ended well, by name. */
  readonly done: Readonly<Record<string, number>>;
  readonly errors: readonly string[];
}

/** Where the samples go: they are many, and nobody reads them in docs. */
const SAMPLES_FOLDER = '.cache/soak';

/** Writes soak.md and soak.svg into the folder. */
export function writeReport(folder: string, result: Result, flows: readonly Flow[]): void {
  for (const each of [folder, SAMPLES_FOLDER]) mkdirSync(each, { recursive: true });
  writeFileSync(join(SAMPLES_FOLDER, 'soak.json'), `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(join(folder, 'soak.svg'), drawing(result));
  writeFileSync(join(folder, 'soak.md'), page(result, flows));
}

function drawing({ samples, minutes, perSecond }: Result): string {
  const line = (name: string, of: (sample: Sample) => number) => ({ name, values: samples.map(of) });
  return plot(
    `pg_doorman, ${minutes} minutes at ${perSecond} flows a second`,
    samples.map(({ second }) => second / 60),
    [
      {
        title: 'Memory',
        unit: 'MB',
        lines: [line('RSS', ({ rss }) => rss / MEGABYTE), line('PSS', ({ pss }) => pss / MEGABYTE)],
      },
      {
        title: 'Latency of short flows, from the moment they were due: median',
        unit: 'ms',
        lines: [line('p50', ({ p50Ms }) => p50Ms)],
      },
      { title: '… and the slowest of a hundred', unit: 'ms', lines: [line('p99', ({ p99Ms }) => p99Ms)] },
      {
        title: 'Descriptors and connections',
        unit: '',
        lines: [
          line('descriptors', ({ descriptors }) => descriptors),
          line('clients', ({ clients }) => clients),
          line('servers', ({ servers }) => servers),
        ],
      },
      {
        title: 'Prepared statements on all servers',
        unit: '',
        lines: [line('statements', ({ statements }) => statements)],
      },
    ],
  );
}

function page(
  { minutes, perSecond, postgres, samples, findings, done }: Result,
  flows: readonly Flow[],
): string {
  const total = Object.values(done).reduce((sum, count) => sum + count, 0);
  const rows = findings.map(({ what, first, last, unit, limit, isGood }) => [
    what,
    limit === 'none' ? '' : figure(first, unit),
    figure(last, unit),
    limit,
    isGood ? 'yes' : '**no**',
  ]);
  const shares = flows.map(({ name, share }) => [name, `${share} %`, String(done[name] ?? 0)]);
  return `# Soak

Written by \`npm run soak\`. ${minutes} minutes, ${perSecond} flows a second begun by the clock whether or not the ones before had ended, ${total} in all; every answer is checked. ${availableParallelism()} processors shared with the load and PostgreSQL ${postgres}, Node.js ${process.versions.node}, Linux ${release()}.

![Memory, latency, descriptors and statements over time](soak.svg)

The medians of the first and the last third, after a fifth of the time as warm-up:

${table(['', 'first third', 'last third', 'may be', 'good'], rows)}
Resident memory grows by ${figure(memorySlope(samples) / MEGABYTE, 'MB')} an hour (median of the slopes between all pairs of samples; garbage that V8 has not collected yet is part of it, so a short run says little). Servers live for a minute, the pool remembers 500 statements, and 4 % of the flows bring a new one: what leaked would leak often. Latency counts from the moment a flow was due, and contains the load's own delays on the shared processors.

${table(['flow', 'share', 'done'], shares)}
\`npm run soak -- --minutes 30 --rate 300 --out docs\` makes it again.
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('');
}

function figure(value: number, unit: string): string {
  const digits = Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${unit === '' ? '' : ` ${unit}`}`;
}
