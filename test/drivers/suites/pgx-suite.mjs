/** Runs pgx's compiled tests three times at once: against PostgreSQL, and through a pooler in session mode and in
 *  transaction mode. Tests that end otherwise through the pooler are run again one by one, on new servers; those that
 *  still do are the differences. They must be those of pgx-differences.txt. See pgx-suite.sh, which calls this. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const [directory = '', postgresPort = '', poolerPort = '', ...packages] = process.argv.slice(2);
const PORTS = { direct: postgresPort, session: poolerPort, transaction: poolerPort };
const POOLED = ['session', 'transaction'];
/** The environment variables that the tests look for a connection in; without the last they skip a few that suit us. */
const CONNECTIONS = ['PGX_TEST_DATABASE', 'PGX_TEST_TCP_CONN_STRING', 'PGX_TEST_PGBOUNCER_CONN_STRING'];
const TIMEOUT_S = 400;
const TIMEOUT_ALONE_S = 60;

const expected = readExpected();
for (const mode of Object.keys(PORTS)) await makeDatabase(mode);
const [direct, ...pooled] = await Promise.all(['direct', ...POOLED].map(runAll));
console.log(`direct: ${summary(direct)}`);
let mistakes = 0;
for (const [index, mode] of POOLED.entries()) mistakes += await report(mode, pooled[index]);
process.exitCode = mistakes === 0 ? 0 : 1;

/** Compares, and says what differs. Returns how much of it was not to be expected. */
async function report(mode, results) {
  const suspects = new Set(differences(results).map((name) => name.split('/')[0]));
  for (const name of suspects) {
    await makeNewServers(mode);
    const [packageName, test] = splitName(name);
    const again = await runTests(
      mode,
      packageName,
      [`-test.run=^${test}$`, '-test.parallel=1'],
      TIMEOUT_ALONE_S,
    );
    for (const each of results.keys()) if (isIn(each, name)) results.delete(each);
    for (const [each, result] of again) results.set(each, result);
  }
  console.log(`${mode}: ${summary(results)}`);
  const found = differences(results);
  const lines = expected.filter(
    (each) => each.modes.includes(mode) && packages.includes(splitName(each.name)[0]),
  );
  let mistakes = 0;
  for (const name of found) {
    const line = lines.find((each) => isIn(name, each.name));
    if (line === undefined) mistakes++;
    const verdict = line === undefined ? 'not ok' : 'ok';
    const result = results.get(name);
    console.log(
      `${verdict} ${mode} ${name}: ${result?.status ?? 'missing'}, ${line?.reason ?? 'not expected'}`,
    );
    if (line === undefined) console.log((result?.output ?? '').replace(/^/gm, '    '));
  }
  for (const { name, isLeftOut } of lines) {
    if (isLeftOut || found.some((each) => isIn(each, name))) continue;
    mistakes++;
    console.log(`not ok ${mode} ${name}: does not differ any more`);
  }
  return mistakes;
}

/** Names of tests that end in another way than against PostgreSQL; those of subtests rather than of their parents. */
function differences(results) {
  const names = [...direct.keys()].filter((name) => {
    const test = results.get(name);
    return !isLeftOut(results.mode, name) && test?.status !== direct.get(name)?.status;
  });
  return names.filter((name) => !names.some((other) => other.startsWith(`${name}/`)));
}

/** Results by test. */
async function runAll(mode) {
  const results = new Map();
  results.mode = mode;
  for (const packageName of packages) {
    const leftOut = expected.filter((each) => each.isLeftOut && each.modes.includes(mode));
    const skip = leftOut.map((each) => splitName(each.name)[1]).join('|');
    for (const [name, result] of await runTests(mode, packageName, [`-test.skip=^(${skip})$`], TIMEOUT_S))
      results.set(name, result);
  }
  return results;
}

/** Runs a compiled test program. */
async function runTests(mode, packageName, more, timeoutS) {
  const connection = `host=127.0.0.1 port=${PORTS[mode]} user=postgres password=secret dbname=pgx_${mode} sslmode=disable`;
  const options = ['-test.v=test2json', `-test.timeout=${timeoutS}s`, ...more];
  const child = spawn(join(directory, `${packageName}.test`), options, {
    cwd: join(directory, packageName),
    env: { ...process.env, ...Object.fromEntries(CONNECTIONS.map((name) => [name, connection])) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  await once(child, 'close');
  return readResults(packageName, output);
}

/** The program marks what it says of itself with a SYN. */
function readResults(packageName, output) {
  const results = new Map();
  const outputs = new Map();
  let running = '';
  for (const part of output.split('\x16')) {
    const [, test, says = ''] = /^=== (?:RUN|CONT|NAME) +(\S*)\n(.*)/s.exec(part) ?? [];
    if (test !== undefined) {
      running = test;
      outputs.set(running, (outputs.get(running) ?? '') + says);
    }
    const [, status, ended] = /^\s*--- (PASS|FAIL|SKIP): (\S+) /.exec(part) ?? [];
    if (ended !== undefined)
      results.set(`${packageName}.${stable(ended)}`, { status, output: outputs.get(ended)?.slice(0, 1000) });
  }
  return results;
}

/** Some tests' names have the name of a temporary directory in them. */
function stable(name) {
  return name.replace(/\/tmp\/.*?\d+\/\d+\//g, '/tmp/');
}

function readExpected() {
  const file = fileURLToPath(new URL('pgx-differences.txt', import.meta.url));
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, mode, isLeftOut, name, reason] =
        /^(session|transaction|both) (-?)(\S+) # (.+)$/.exec(line) ?? [];
      if (reason === undefined) throw new Error(`pgx-differences.txt: ${line}`);
      return { modes: mode === 'both' ? POOLED : [mode], isLeftOut: isLeftOut === '-', name, reason };
    });
}

function isLeftOut(mode, name) {
  return expected.some((each) => each.isLeftOut && each.modes.includes(mode) && isIn(name, each.name));
}

/** Whether it is this test or one of its subtests. */
function isIn(name, test) {
  return name === test || name.startsWith(`${test}/`);
}

function splitName(name) {
  const at = name.indexOf('.');
  return [name.slice(0, at), name.slice(at + 1)];
}

function summary(results) {
  const count = (status) => [...results.values()].filter((each) => each.status === status).length;
  return `${count('PASS')} passed, ${count('FAIL')} failed, ${count('SKIP')} skipped`;
}

async function makeDatabase(mode) {
  await execute('postgres', `drop database if exists pgx_${mode} with (force)`);
  await execute('postgres', `create database pgx_${mode}`);
  await execute(
    `pgx_${mode}`,
    readFileSync(fileURLToPath(new URL('pgx-database.sql', import.meta.url)), 'utf8'),
  );
}

/** Ends the servers that the pooler has, and with them what tests have left there. */
async function makeNewServers(mode) {
  await execute(
    'postgres',
    `select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = 'pgx_${mode}'`,
  );
}

/** Against PostgreSQL itself. */
async function execute(database, sql) {
  const client = new pg.Client({ host: '127.0.0.1', port: Number(postgresPort), user: 'postgres', database });
  await client.connect();
  await client.query(sql);
  await client.end();
}
