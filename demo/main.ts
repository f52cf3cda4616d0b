/** `npm run demo`: a real PostgreSQL, pg_doorman before it, many clients, and what the pool made of them. Stays up
 *  until Ctrl+C; with `--once` it ends by itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { stringify } from 'yaml';
import { freePort } from '../test/support/free-port.js';
import { Postgres } from '../test/support/postgres.js';

const DATABASE = 'shop';
const USER = 'shop_app';
const PASSWORD = 'demo';
const ADMIN_PASSWORD = 'admin';
const FAVOURITE_PORT = 6432;
const CLIENTS = 200;
const POOL_SIZE = 10;
const SECONDS = 5;
const COMMAND = fileURLToPath(new URL('../dist/cli/pg_doorman.js', import.meta.url));

const isOnce = process.argv.includes('--once');
const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-demo-'));
let postgres: Postgres | null = null;
let doorman: ChildProcess | null = null;
const interrupted = new Promise<void>((resolve) => {
  process.on('SIGINT', resolve);
  process.on('SIGTERM', resolve);
});

try {
  say('Starting PostgreSQL …');
  postgres = await Postgres.create(
    'local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
  );
  await makeData(postgres);
  say(`  ${(await postgres.query('select version()')).rows[0].version}, port ${postgres.port}`);

  const port = await portToUse();
  doorman = await startDoorman(postgres.port, port);
  const connection = `postgresql://${USER}:${PASSWORD}@127.0.0.1:${port}/${DATABASE}`;

  say(`\n${CLIENTS} clients send queries for ${SECONDS} seconds through a pool of ${POOL_SIZE} …`);
  const { queries, seconds } = await Promise.race([
    sendQueries(connection),
    interrupted.then(() => ({ queries: 0, seconds: 1 })),
  ]);
  const used = await postgres.query(
    `select count(*)::int as n from pg_stat_activity where usename = '${USER}'`,
  );
  say(
    `  ${queries} queries, ${Math.round(queries / seconds)} per second (this program's own clients are the limit)`,
  );
  say(`  ${CLIENTS} clients were served by ${used.rows[0].n} connections to PostgreSQL`);
  await showPools(port);

  if (!isOnce) {
    say(`\nConnect:        psql '${connection}'`);
    say(
      'Admin console:  ' +
        `psql 'postgresql://admin:${ADMIN_PASSWORD}@127.0.0.1:${port}/pgdoorman' -c 'SHOW POOLS'`,
    );
    say('Ctrl+C stops everything.');
    await Promise.race([interrupted, once(doorman, 'exit')]);
    say('\nStopping …');
  }
} finally {
  await end(doorman);
  await postgres?.remove();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();

function say(text: string): void {
  console.log(text);
}

/** A small shop: customers, and what they ordered. */
async function makeData(server: Postgres): Promise<void> {
  await server.query(`create role ${USER} login password '${PASSWORD}'`);
  await server.query(`create database ${DATABASE} owner ${USER}`);
  await server.query(
    `create table customers (id int primary key, name text not null);
     create table orders (id serial primary key, customer int not null references customers, amount numeric(10, 2) not null);
     insert into customers select i, 'customer ' || i from generate_series(1, 1000) i;
     insert into orders (customer, amount) select 1 + i % 1000, (i * 7919 % 100000) / 100.0 from generate_series(1, 20000) i;
     create index on orders (customer);
     grant all on all tables in schema public to ${USER};
     grant all on all sequences in schema public to ${USER};
     analyze`,
    DATABASE,
  );
}

/** pg_doorman's usual port, or another one when somebody has it. */
async function portToUse(): Promise<number> {
  const { createServer } = await import('node:net');
  const probe = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(FAVOURITE_PORT, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
  return isFree ? FAVOURITE_PORT : freePort();
}

async function startDoorman(postgresPort: number, port: number): Promise<ChildProcess> {
  const file = join(directory, 'pg_doorman.yaml');
  const configuration = {
    general: {
      host: '127.0.0.1',
      port,
      admin_password: ADMIN_PASSWORD,
      log_client_connections: false,
      log_client_disconnections: false,
    },
    pools: {
      [DATABASE]: {
        server_host: '127.0.0.1',
        server_port: postgresPort,
        users: [{ username: USER, password: PASSWORD, pool_size: POOL_SIZE }],
      },
    },
  };
  writeFileSync(file, stringify(configuration), { mode: 0o600 });
  say(`\nStarting pg_doorman with ${file} …`);
  const child = spawn(process.execPath, [COMMAND, file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      say(`  ${line}`);
      if (line.includes('listening on')) resolve();
    });
    child.once('exit', () => reject(new Error('pg_doorman did not start')));
  });
  return child;
}

async function sendQueries(connectionString: string): Promise<{ queries: number; seconds: number }> {
  const begun = performance.now();
  const deadline = begun + SECONDS * 1000;
  const counts = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => oneClient(connectionString, i, deadline)),
  );
  return { queries: counts.reduce((sum, n) => sum + n, 0), seconds: (performance.now() - begun) / 1000 };
}

/** Looks at customers, and now and then places an order in a transaction. */
async function oneClient(connectionString: string, number: number, deadline: number): Promise<number> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  let queries = 0;
  while (performance.now() < deadline) {
    const customer = 1 + ((number * 37 + queries * 11) % 1000);
    const { rows } = await client.query({
      name: 'spent',
      text: 'select c.name, sum(o.amount) from customers c join orders o on o.customer = c.id where c.id = $1 group by c.name',
      values: [customer],
    });
    if (rows.length !== 1) throw new Error(`customer ${customer} is not there`);
    queries++;
    if (queries % 50 !== 0) continue;
    await client.query('begin');
    await client.query('insert into orders (customer, amount) values ($1, $2)', [customer, '9.99']);
    await client.query('commit');
    queries += 3;
  }
  await client.end();
  return queries;
}

async function showPools(port: number): Promise<void> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'admin',
    password: ADMIN_PASSWORD,
    database: 'pgdoorman',
  });
  await client.connect();
  const { rows } = await client.query('show pools');
  const { rows: stats } = await client.query('show stats');
  await client.end();
  const { database, user, sv_idle } = rows[0];
  const { total_query_count, total_xact_count, total_wait_time } = stats[0];
  const wait = Math.round(Number(total_wait_time) / Number(total_query_count));
  say(`  SHOW POOLS: ${user}@${database} has ${sv_idle} idle servers`);
  say(
    `  SHOW STATS: ${total_query_count} queries in ${total_xact_count} transactions, ${wait} µs waited for a server on average`,
  );
}

async function end(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}
