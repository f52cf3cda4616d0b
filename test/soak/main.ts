/** `npm run soak -- [--minutes N] [--rate N] [--out FOLDER]`: the real program before a real PostgreSQL under a mixed
 *  load for as long as you like. Ends with a verdict, and with status 1 when it is not good. Ctrl+C ends it early. */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { descriptorsBeside, fallsQuiet } from '../faults/support/quiet.js';
import { Postgres } from '../support/postgres.js';
import { Random } from '../support/random.js';
import { WireClient } from '../support/wire-client.js';
import { Crew } from './crew.js';
import { ACCOUNTS, ORDINARY_FLOWS } from './flows.js';
import { OpenLoop } from './open-loop.js';
import { POOL_SIZE, Pooler } from './pooler.js';
import { writeReport } from './report.js';
import { ROUGH_FLOWS } from './rough-flows.js';
import { type Sample, sample } from './samples.js';
import { verdict } from './verdict.js';

const SAMPLE_MS = 5_000;
const DRIVERS = 60;
const WIRES = 20;
const SEED = 1;
const FLOWS = [...ORDINARY_FLOWS, ...ROUGH_FLOWS];

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    rate: { type: 'string', default: '300' },
    out: { type: 'string', default: '.cache/soak' },
  },
});
const minutes = Number(options.minutes);
const perSecond = Number(options.rate);
if (!(minutes > 0 && perSecond > 0)) throw new RangeError('--minutes and --rate must be positive numbers');

let isStopped = false;
process.once('SIGINT', () => {
  isStopped = true;
});
const postgres = await Postgres.create();
const pooler = await Pooler.start(postgres.port);
try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  await pooler.stop();
  await postgres.remove();
}

/** Returns whether the verdict is good. */
async function soak(): Promise<boolean> {
  await postgres.query(`create table soak as select id, 0 as stamp from generate_series(1, ${ACCOUNTS}) id`);
  await postgres.query('alter table soak add primary key (id)');
  const descriptors = await descriptorsBeside(pooler);
  const drivers = await Crew.of(DRIVERS, { connect: driver, leave: (client) => client.end() });
  const wires = await Crew.of(WIRES, { connect: wire, leave: (client) => client.close() });
  const loop = new OpenLoop(FLOWS, { port: pooler.port, random: new Random(SEED), drivers, wires });
  const samples = await sampled(loop);
  await Promise.all([drivers.leave(), wires.leave()]);
  const leftovers = await fallsQuiet(pooler, postgres, POOL_SIZE, descriptors).then(
    () => [],
    (error: unknown) => [String(error)],
  );
  const errors = [...loop.errors, ...pooler.complaints, ...leftovers];
  const findings = verdict(samples, {
    failures: loop.failures + leftovers.length,
    complaints: pooler.complaints.length,
  });
  const { rows } = await postgres.query('show server_version');
  const result = {
    minutes: Math.round(((samples.at(-1)?.second ?? 0) / 60) * 10) / 10,
    perSecond,
    postgres: rows[0].server_version,
    samples,
    findings,
    done: Object.fromEntries(loop.done),
    errors,
  };
  writeReport(options.out, result, FLOWS);
  for (const { isGood, what, first, last, unit, limit } of findings)
    console.log(`${isGood ? 'good' : 'BAD '}  ${what}: ${first} → ${last} ${unit} (${limit})`);
  for (const error of errors) console.log(error);
  return findings.every(({ isGood }) => isGood);
}

/** The load, and what was measured meanwhile. */
async function sampled(loop: OpenLoop): Promise<Sample[]> {
  const samples: Sample[] = [];
  const begin = performance.now();
  let before = begin;
  let isRunning = true;
  const load = loop
    .run(perSecond, minutes * 60, () => isStopped)
    .finally(() => {
      isRunning = false;
    });
  for (let due = begin + SAMPLE_MS; isRunning; due += SAMPLE_MS) {
    await Promise.race([load, pause(Math.max(0, due - performance.now()))]);
    const now = performance.now();
    if (!isRunning && now - before < SAMPLE_MS / 2) break; // too short to say anything
    const taken = await sample(pooler, (now - begin) / 1000, (now - before) / 1000, loop.takeInterval());
    samples.push(taken);
    before = now;
    const { second, rss, descriptors, servers, flowsPerSecond, p50Ms, p99Ms } = taken;
    console.log(
      `${second} s: ${(rss / 1024 / 1024).toFixed(1)} MB, ${descriptors} descriptors, ${servers} servers, ` +
        `${flowsPerSecond}/s, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, ${loop.failures} failures`,
    );
  }
  await load;
  return samples;
}

async function driver(): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: pooler.port,
    user: 'postgres',
    database: 'postgres',
  });
  client.on('error', () => {}); // what a query is told counts
  await client.connect();
  return client;
}

function wire(): Promise<WireClient> {
  return WireClient.login(pooler.port, 'postgres', 'postgres');
}
