/** Applications on real client libraries, through the pooler in transaction mode: one folder a driver. `install.sh
 *  DIRECTORY` brings what it needs there, and `run.sh DIRECTORY` is the application; see README.md. A driver that
 *  cannot be brought here is skipped, and says why. `PG_DOORMAN_TEST_DRIVERS=pgx,pg` chooses some. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Authority, secretFile } from '../support/certificates.js';
import { Doorman } from '../support/doorman.js';
import { pool } from '../support/shared-postgres.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const INSTALLED = fileURLToPath(new URL('../../.cache/drivers', import.meta.url));
const PASSWORD = 'password of the drivers';
const CONNECTION = {
  PGHOST: '127.0.0.1',
  PGUSER: 'postgres',
  PGPASSWORD: PASSWORD,
  PGDATABASE: 'postgres',
};
/** What takes longer is ended: a registry that does not answer must not keep the run waiting. Seconds. */
const SCRIPT_LIMIT_S = 300;
/** All installations together; what has not been brought by then is not tried. Seconds. */
const INSTALLATION_LIMIT_S = 600;
/** Fewer servers than an application has clients. */
const POOL_SIZE = 4;
/** Those that are tried over TLS as well. They bind their logins to it (SCRAM-SHA-256-PLUS) where they can. */
const OVER_TLS = ['asyncpg', 'pg', 'pgjdbc', 'pgx'];

const authority = new Authority('CA of the tests');
const { certificate, privateKey } = authority.signLocal();
const CA = secretFile(authority.pem);
const TLS = { tls_certificate: secretFile(certificate), tls_private_key: secretFile(privateKey) };

/** The status of timeout(1) when it had to end the command. */
const TIMED_OUT = 124;

const chosen = process.env.PG_DOORMAN_TEST_DRIVERS?.split(',');
const drivers = readdirSync(HERE).filter(
  (name) => existsSync(join(HERE, name, 'run.sh')) && chosen?.includes(name) !== false,
);

// First all installations: between two tests nobody may wait, or the file counts as finished.
const begunMs = performance.now();
const installations = new Map<string, Ending>();
for (const driver of drivers) {
  const limitS = Math.min(SCRIPT_LIMIT_S, INSTALLATION_LIMIT_S - (performance.now() - begunMs) / 1000);
  mkdirSync(join(INSTALLED, driver), { recursive: true });
  installations.set(
    driver,
    limitS > 0
      ? await runScript(join(HERE, driver, 'install.sh'), join(INSTALLED, driver), limitS)
      : { status: TIMED_OUT, output: '' },
  );
}

for (const [driver, installation] of installations) {
  const directory = join(INSTALLED, driver);
  if (installation.status !== 0) {
    const why = installation.status === TIMED_OUT ? 'its installation took too long' : installation.output;
    test(driver, { skip: `NOT TRIED: ${lastLine(why)}` });
    continue;
  }
  describe(driver, async () => {
    await tryDriver(driver, directory, 'host', '', { PGSSLMODE: 'disable' });
    if (!OVER_TLS.includes(driver)) return;
    // The certificate authority in the ways of libpq and of Node.js.
    const trusting = { PGSSLMODE: 'verify-full', PGSSLROOTCERT: CA, NODE_EXTRA_CA_CERTS: CA };
    await tryDriver(driver, directory, 'hostssl', 'over TLS: ', trusting);
  });
}

/** Runs the application of a driver where only connections of this type of pg_hba are let in. */
async function tryDriver(
  driver: string,
  directory: string,
  type: 'hostssl' | 'host',
  prefix: string,
  more: NodeJS.ProcessEnv,
): Promise<void> {
  const doorman = await Doorman.start({
    general: { ...TLS, pg_hba: `${type} all all 127.0.0.1/32 scram-sha-256` },
    pools: { postgres: pool({ password: PASSWORD, pool_size: POOL_SIZE }) },
  });
  const script = join(HERE, driver, 'run.sh');
  const connection = { ...more, PGPORT: String(doorman.port) };
  const { status, output } = await runScript(script, directory, SCRIPT_LIMIT_S, connection);
  await doorman.stop();
  const [first = '', ...lines] = output.split('\n');
  test(`${prefix}it says what it is: ${first}`, () => assert.match(first, /^driver \S+ .*\d/));
  for (const line of lines.filter((each) => /^(not )?ok /.test(each))) {
    test(prefix + line.replace(/^(not )?ok /, ''), () => assert.match(line, /^ok /));
  }
  test(`${prefix}it came to its end`, () => {
    assert.equal(status, 0, output);
    assert.match(output, /^ok /m);
  });
}

interface Ending {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a script of a driver. Its environment says how to connect, in libpq's variables. */
async function runScript(
  script: string,
  directory: string,
  limitS: number,
  connection: NodeJS.ProcessEnv = {},
): Promise<Ending> {
  const env = { ...process.env, ...CONNECTION, ...connection };
  const limit = String(Math.ceil(limitS));
  const child = spawn('timeout', [limit, 'sh', script, directory], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  return { status: child.exitCode, output };
}

function lastLine(output: string): string {
  return output.trimEnd().split('\n').at(-1) ?? '';
}
