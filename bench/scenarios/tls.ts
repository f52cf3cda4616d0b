/** TLS with clients, and logins: `pgbench -S` over TLS, the same with a connection for each transaction (-C), where
 *  every handshake is a full one, logins by SCRAM without TLS, and clients that are idle. Servers are reached without
 *  TLS. What was agreed on stands behind each row: it must be the same for all. Those who log in by SCRAM are clients of
 *  the benchmark's own: libpq takes milliseconds for a proof, and a pooler that has so little to do is not measured. */

import type { Children } from '../children.js';
import type { PoolerSetup } from '../configurations.js';
import { ConnectionFailed } from '../errors.js';
import { newIdentity, verifierOf } from '../identities.js';
import { Load, loadProcesses } from '../load.js';
import type { Load as PgbenchLoad } from '../pgbench.js';
import type { Pooler } from '../pooler.js';
import { type CpuTime, difference } from '../process-usage.js';
import { TlsConnection } from '../tls-connection.js';
import { IDLE_COLUMNS, idleFigures } from './idle.js';
import {
  type Bench,
  cpuColumns,
  cpuFigures,
  type Figures,
  oneByOne,
  type Row,
  type Scenario,
} from './scenario.js';
import { steadyLoad } from './steady-load.js';

const PASSWORD = 'password of the benchmark';
const OVER_TLS = { PGSSLMODE: 'require' };
/** An uncounted run: caches fill, V8 compiles. Seconds. */
const WARM_UP_S = 5;
/** V8 has compiled all of a login after some ten thousand of them: so often as many go before, without TLS and uncounted. */
const LOGINS = 4000;
const WARM_UPS = 3;
/** Of those that are counted, as many as this. */
const COUNTED = 5;
/** Of those who connect again and again: fewer than servers, so that nobody waits for one. */
const RECONNECTING_CLIENTS = 10;
const TIMEOUT_MS = 10_000;

export const tls: Scenario = {
  columns: [
    { figure: 'tps', title: 'TPS', digits: 0 },
    { figure: 'p99Ms', title: 'p99 ms', digits: 3 },
    ...cpuColumns('µs/query or login'),
    { figure: 'perCpuSecond', title: 'logins/CPU s', digits: 0, isCompared: true },
    ...IDLE_COLUMNS,
  ],

  async run(bench) {
    const { options, children } = bench;
    const rows: Row[] = [];
    const inTurn = async (
      what: string,
      setup: Partial<PoolerSetup>,
      measure: (pooler: Pooler) => Promise<Figures>,
    ) => {
      const poolers = bench.contestants
        .filter(({ kind }) => kind !== 'odyssey')
        .map((contestant) => bench.newPooler(contestant, setup));
      const withAgreement = async (pooler: Pooler, remark: (text: string) => void) => {
        if (pooler.setup.identity !== null) remark(await agreementOf(pooler));
        return measure(pooler);
      };
      rows.push(...(await oneByOne(bench, poolers, 'tls', what, options.rounds, withAgreement)));
    };
    const rsa = await newIdentity(children, 'RSA 2048');
    const ecdsa = await newIdentity(children, 'ECDSA P-256');

    if (options.tlsCases.includes('queries'))
      for (const protocol of options.protocols.filter((each) => each !== 'prepared'))
        for (const clients of options.clients)
          await inTurn(`TLS, ${protocol} × ${clients}`, { identity: rsa }, (pooler) =>
            measureQueries(bench, pooler, {
              transaction: 'account',
              protocol,
              clients,
              environment: OVER_TLS,
            }),
          );
    if (options.tlsCases.includes('logins')) {
      for (const [kind, identity] of [
        ['RSA 2048', rsa],
        ['ECDSA P-256', ecdsa],
      ] as const)
        await inTurn(`TLS, logins, ${kind}`, { identity, maxClients: LOGINS }, (pooler) =>
          measureTlsLogins(bench, pooler),
        );
      await inTurn('SCRAM, logins', { verifier: verifierOf(PASSWORD), maxClients: LOGINS }, (pooler) =>
        measureScramLogins(bench, pooler),
      );
    }
    if (options.tlsCases.includes('idle'))
      await inTurn(`TLS, ${options.idleClients} idle`, { identity: rsa }, (pooler) =>
        idleFigures(pooler, options.idleClients, () => TlsConnection.open(pooler.address, TIMEOUT_MS)),
      );
    return rows;
  },
};

async function agreementOf(pooler: Pooler): Promise<string> {
  const connection = await TlsConnection.open(pooler.address, TIMEOUT_MS);
  const { agreement } = connection;
  connection.close();
  return agreement;
}

async function measureQueries(
  { pgbench, options }: Bench,
  pooler: Pooler,
  load: Omit<PgbenchLoad, 'address' | 'length'>,
): Promise<Figures> {
  await pgbench.run({ ...load, address: pooler.address, clients: 40, length: { seconds: WARM_UP_S } });
  return steadyLoad(pgbench, pooler, load, options.seconds);
}

/** A login, one query, and the end of the connection. */
async function measureTlsLogins({ pgbench, options, children }: Bench, pooler: Pooler): Promise<Figures> {
  const load = {
    address: pooler.address,
    transaction: 'account',
    protocol: 'simple',
    clients: RECONNECTING_CLIENTS,
    reconnects: true,
    environment: OVER_TLS,
  } as const;
  await withLogins(children, pooler, async (logIn) => {
    for (let round = 0; round < WARM_UPS; round++) await logIn();
  });
  await pgbench.run({ ...load, length: { seconds: WARM_UP_S } });
  const begin = pooler.cpuTime();
  const { transactions, tps, p99Ms } = await pgbench.run({ ...load, length: { seconds: options.seconds } });
  return { tps, p99Ms, ...loginFigures(begin, pooler, transactions) };
}

/** The same without TLS, by SCRAM. */
function measureScramLogins({ children }: Bench, pooler: Pooler): Promise<Figures> {
  return withLogins(children, pooler, async (logIn) => {
    for (let round = 0; round < WARM_UPS; round++) await logIn();
    const begin = pooler.cpuTime();
    const beginMs = performance.now();
    for (let round = 0; round < COUNTED; round++) await logIn();
    const logins = COUNTED * LOGINS;
    const tps = (logins / (performance.now() - beginMs)) * 1000;
    return { tps, ...loginFigures(begin, pooler, logins) };
  });
}

/** Works with clients of which LOGINS log in, ask once, and go, RECONNECTING_CLIENTS at a time, as often as `work` wants. */
async function withLogins<Result>(
  children: Children,
  pooler: Pooler,
  work: (logIn: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const load = Load.start(children, loadProcesses());
  let begun = 0;
  const logIn = async () => {
    const { failures } = await load.open({
      address: pooler.address,
      password: PASSWORD,
      clients: Array.from({ length: LOGINS }, () => begun++),
      sql: 'SELECT 1',
      atOnce: RECONNECTING_CLIENTS,
      asksOnce: true,
      thenLeaves: true,
    });
    if (failures.count > 0) throw new ConnectionFailed(failures.first);
  };
  try {
    return await work(logIn);
  } finally {
    await load.end();
  }
}

function loginFigures(begin: CpuTime, pooler: Pooler, logins: number): Figures {
  const { user, system } = difference(begin, pooler.cpuTime());
  return {
    ...cpuFigures({ user, system }, logins),
    perCpuSecond: (logins / (user + system)) * 1e6,
  };
}
