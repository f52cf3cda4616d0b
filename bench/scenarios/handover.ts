/** Hand-overs of server connections between the threads of ours: what one costs beside opening a connection, and how many
 *  a steady load needs. The cost is seen from outside: on a pool of one, two clients of different threads take turns, and
 *  two of one thread. How many hand-overs there were is asked of the console. */

import { showOf } from '../console.js';
import { NotPossible } from '../errors.js';
import { Histogram } from '../histogram.js';
import type { Address } from '../messages.js';
import type { Pooler } from '../pooler.js';
import { RawConnection } from '../raw-connection.js';
import { type Bench, type Column, type Figures, oneByOne, type Scenario } from './scenario.js';

/** Of SHOW WORKERS: server connections that came from another worker, since the start. */
const COLUMN = 'handovers';
const CLIENTS_PER_WORKER = 2;
const QUERIES = 2_000;
/** Enough to see whether two clients need hand-overs. */
const PROBES = 20;
const OPENINGS = 100;
const STEADY_LOAD = { transaction: 'SELECT 1', protocol: 'simple', clients: 40 } as const;
/** Servers are opened, and come to where they are needed. */
const WARM_UP_SECONDS = 2;
const TIMEOUT_MS = 10_000;

const COLUMNS: readonly Column[] = [
  { figure: 'handovers', title: 'hand-overs', digits: 0 },
  { figure: 'perQuery', title: 'per query (steady ≤ 0.01)', digits: 4 },
  { figure: 'withoutUs', title: 'query without µs', digits: 1 },
  { figure: 'withUs', title: 'with µs', digits: 1 },
  { figure: 'handoverUs', title: 'hand-over µs', digits: 1 },
  { figure: 'openingUs', title: 'opening µs', digits: 1 },
  { figure: 'ofOpening', title: 'hand-over/opening (≤ 0.05)', digits: 3 },
  { figure: 'tps', title: 'TPS', digits: 0 },
];

export const handover: Scenario = {
  columns: COLUMNS,

  async run(bench) {
    const { manyWorkers: workers, poolSize, rounds } = bench.options;
    const ours = bench.contestants.filter(({ kind }) => kind === 'ours');
    const newPoolers = (size: number) =>
      ours.map((contestant) =>
        bench.newPooler(contestant, { workers, poolSize: size, spreadsClients: true }),
      );
    return [
      ...(await oneByOne(bench, newPoolers(1), 'handover', 'clients in turns', rounds, (pooler) =>
        measureCost(bench, pooler, workers * CLIENTS_PER_WORKER),
      )),
      ...(await oneByOne(bench, newPoolers(poolSize), 'handover', 'steady load', rounds, (pooler) =>
        measureSteady(bench, pooler),
      )),
    ];
  },
};

async function measureCost({ postgres }: Bench, pooler: Pooler, count: number): Promise<Figures> {
  await handoversOf(pooler); // before anything is spent on it
  const openingUs = await openingOf(postgres.address);
  const clients: RawConnection[] = [];
  try {
    while (clients.length < count) clients.push(await RawConnection.open(pooler.address, TIMEOUT_MS));
    const near = await pairOf(pooler, clients, 'one worker');
    const far = await pairOf(pooler, clients, 'two workers');
    await queriesInTurns([...near, ...far], QUERIES); // V8 compiles
    const withoutUs = await queriesInTurns(near, QUERIES);
    const before = await handoversOf(pooler);
    const withUs = await queriesInTurns(far, QUERIES);
    const handovers = (await handoversOf(pooler)) - before;
    const handoverUs = withUs - withoutUs;
    return {
      handovers,
      perQuery: handovers / QUERIES,
      withoutUs,
      withUs,
      handoverUs,
      openingUs,
      ofOpening: handoverUs / openingUs,
    };
  } finally {
    for (const client of clients) client.close();
  }
}

/** Median of opening a connection to PostgreSQL, microseconds. */
async function openingOf(address: Address): Promise<number> {
  const times = new Histogram();
  for (let opening = 0; opening < OPENINGS; opening++) {
    const begin = performance.now();
    const connection = await RawConnection.open(address, TIMEOUT_MS);
    times.record((performance.now() - begin) * 1000);
    connection.close();
  }
  return times.quantile(0.5);
}

/** The first client and another on the same worker, or on a different one: then they need hand-overs when they take
 *  turns. Rejects with NotPossible when there is none. */
async function pairOf(
  pooler: Pooler,
  [first, ...others]: readonly RawConnection[],
  wanted: 'one worker' | 'two workers',
): Promise<RawConnection[]> {
  for (const other of others) {
    const pair = first === undefined ? [] : [first, other];
    await queriesInTurns(pair, 2); // the server comes from wherever it was
    const before = await handoversOf(pooler);
    await queriesInTurns(pair, PROBES);
    const handovers = (await handoversOf(pooler)) - before;
    const seen = handovers > PROBES / 2 ? 'two workers' : 'one worker';
    if (seen === wanted) return pair;
  }
  throw new NotPossible(`no two clients are on ${wanted}`);
}

async function measureSteady({ pgbench, options }: Bench, pooler: Pooler): Promise<Figures> {
  const run = (seconds: number) =>
    pgbench.run({ ...STEADY_LOAD, address: pooler.address, length: { seconds } });
  await run(WARM_UP_SECONDS);
  const before = await handoversOf(pooler);
  const { tps, transactions } = await run(options.seconds);
  const handovers = (await handoversOf(pooler)) - before;
  return { handovers, perQuery: handovers / transactions, tps };
}

/** The median time of a query, microseconds, when each is another client's than the one before. */
async function queriesInTurns(clients: readonly RawConnection[], count: number): Promise<number> {
  const times = new Histogram();
  for (let query = 0; query < count; query++) {
    const begin = performance.now();
    await clients[query % clients.length]?.query('SELECT 1', TIMEOUT_MS);
    times.record((performance.now() - begin) * 1000);
  }
  return times.quantile(0.5);
}

/** Rejects with NotPossible where the console has no such column. */
async function handoversOf(pooler: Pooler): Promise<number> {
  const rows = (await showOf(pooler, 'SHOW WORKERS')) ?? [];
  const counts = rows.map((row) => Number(row.get(COLUMN) ?? Number.NaN));
  const sum = counts.reduce((total, count) => total + count, 0);
  if (counts.length === 0 || Number.isNaN(sum)) throw new NotPossible(`${COLUMN}: not told by this pooler`);
  return sum;
}
