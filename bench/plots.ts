/** What docs/benchmarks holds of the scenario `queries`, made of the JSON files that the benchmark writes: one file of all
 *  figures, plots, and the tables of docs/benchmarks.md. */
import { type BarChart, barChart } from './bar-chart.js';
import { PROTOCOLS } from './options.js';

interface BenchRow {
  readonly scenario: string;
  /** "simple × 40". */
  readonly case: string;
  readonly pooler: string;
  readonly figures: Readonly<Record<string, number | null>> | null;
  readonly failure: string | null;
}

export interface BenchDocument {
  readonly machine: {
    readonly postgres: string;
    readonly poolers: Readonly<Record<string, string>>;
    readonly node: string;
    readonly kernel: string;
    readonly cores: number;
    readonly processor: string;
  };
  readonly options: { readonly seconds: number; readonly rounds: number; readonly poolSize: number };
  readonly rows: readonly BenchRow[];
}

const PLOTS = [
  { file: 'cpu', figure: 'cpu', title: 'CPU of the pooler per query', unit: 'µs' },
  { file: 'queries-per-second', figure: 'tps', title: 'Queries per second', unit: 'queries per second' },
  { file: 'latency', figure: 'p95Ms', title: 'Latency, 95th percentile', unit: 'ms' },
] as const;
const CASE = /^(\w+) × (\d+)$/;
/** The peer that ratios are of. */
const PEER = 'pgbouncer';
const MARKS = ['<!-- figures -->', '<!-- end of figures -->'] as const;

/** Several runs of one machine as one. Rows of other scenarios are left out. */
export function merged(documents: readonly BenchDocument[]): BenchDocument {
  const [first] = documents;
  if (first === undefined) throw new Error('no file is given');
  const { machine, options } = first;
  const rows = documents
    .flatMap((document) => document.rows)
    .filter(({ scenario }) => scenario === 'queries');
  if (rows.length === 0) throw new Error('there is nothing of the scenario queries');
  return {
    machine,
    options: { seconds: options.seconds, rounds: options.rounds, poolSize: options.poolSize },
    rows: rows.map(({ scenario, case: name, pooler, figures, failure }) => ({
      scenario,
      case: name,
      pooler,
      figures,
      failure,
    })),
  };
}

/** Names of files in docs/benchmarks to their contents. */
export function plotsOf(document: BenchDocument): Record<string, string> {
  const { protocols, clients, poolers, figure } = tableOf(document);
  return Object.fromEntries(
    PLOTS.map(({ file, figure: name, title, unit }) => {
      const chart: BarChart = {
        title,
        xTitle: 'clients',
        yTitle: unit,
        groups: clients,
        series: poolers,
        panels: protocols.map((protocol) => ({
          title: protocol,
          values: clients.map((count) => poolers.map((pooler) => figure(protocol, count, pooler, name))),
        })),
      };
      return [`${file}.svg`, barChart(chart)];
    }),
  );
}

/** The page with the tables of this document between its marks. */
export function pageWith(document: BenchDocument, page: string): string {
  const [begin, end] = MARKS.map((mark) => page.indexOf(mark));
  if (begin === undefined || end === undefined || begin === -1 || end < begin)
    throw new Error('the page has no marks');
  return `${page.slice(0, begin + MARKS[0].length)}\n\n${figuresText(document)}\n\n${page.slice(end)}`;
}

function figuresText(document: BenchDocument): string {
  const { machine, options } = document;
  const { protocols, clients, poolers, figure } = tableOf(document);
  const versions = poolers.map((name) => `${name} ${machine.poolers[name] ?? ''}`.trimEnd()).join(', ');
  const head = [
    'case',
    'pooler',
    'CPU per query',
    `against ${PEER}`,
    'queries per second',
    `against ${PEER}`,
    'p50',
    'p95',
    'p99',
  ];
  const rows = protocols.flatMap((protocol) =>
    clients.flatMap((count) =>
      poolers.map((pooler) => {
        const value = (name: string): number => figure(protocol, count, pooler, name);
        const against = (name: string): string =>
          pooler === PEER ? '' : number(value(name) / figure(protocol, count, PEER, name), 2, ' ×');
        return [
          `${protocol}, ${count} client${count === '1' ? '' : 's'}`,
          pooler,
          number(value('cpu'), 1, ' µs'),
          against('cpu'),
          number(value('tps'), 0, ''),
          against('tps'),
          number(value('p50Ms'), 2, ' ms'),
          number(value('p95Ms'), 2, ' ms'),
          number(value('p99Ms'), 2, ' ms'),
        ];
      }),
    ),
  );
  return [
    `${versions}; PostgreSQL ${machine.postgres}, Node.js ${machine.node}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}) shared with pgbench and PostgreSQL; ${options.poolSize} servers, one thread; medians of ${options.rounds} rounds of ${options.seconds} seconds.`,
    ...PLOTS.map(({ file, title }) => `![${title}](benchmarks/${file}.svg)`),
    [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n'),
  ].join('\n\n');
}

interface Table {
  readonly protocols: readonly string[];
  readonly clients: readonly string[];
  readonly poolers: readonly string[];
  /** NaN: not measured. */
  readonly figure: (protocol: string, clients: string, pooler: string, name: string) => number;
}

function tableOf({ rows }: BenchDocument): Table {
  const cases = rows.map((row) => CASE.exec(row.case) ?? []);
  const figure: Table['figure'] = (protocol, clients, pooler, name) =>
    rows.find((row) => row.case === `${protocol} × ${clients}` && row.pooler === pooler)?.figures?.[name] ??
    Number.NaN;
  return {
    protocols: PROTOCOLS.filter((protocol) => cases.some(([, each]) => each === protocol)),
    clients: distinct(cases.map(([, , count]) => count ?? '')).sort((a, b) => Number(a) - Number(b)),
    poolers: distinct(rows.map(({ pooler }) => pooler)),
    figure,
  };
}

function distinct(words: readonly string[]): string[] {
  return [...new Set(words)].filter((word) => word !== '');
}

function number(value: number, digits: number, unit: string): string {
  return Number.isFinite(value) ? `${value.toFixed(digits)}${unit}` : '–';
}
