/** A storm: thousands of clients connect at once and each sends a query as soon as it may. How long until all are served,
 *  and what PostgreSQL sees of it at most, counted by a proxy before it. */

import { Load, loadProcesses } from '../load.js';
import { LoginCounter } from '../login-counter.js';
import { withSeveralProcesses } from '../peers.js';
import type { Pooler } from '../pooler.js';
import { difference } from '../process-usage.js';
import { type Bench, cpuColumns, cpuFigures, type Figures, oneByOne, type Scenario } from './scenario.js';

const SQL = 'SELECT 1';

export const storm: Scenario = {
  columns: [
    { figure: 'served', title: 'served', digits: 0 },
    { figure: 'errors', title: 'errors', digits: 0 },
    { figure: 'seconds', title: 'seconds', digits: 2 },
    { figure: 'serversMax', title: 'PostgreSQL saw at most', digits: 0 },
    { figure: 'loginsMax', title: 'logins at a time (ours ≤ 4)', digits: 0 },
    { figure: 'logins', title: 'logins', digits: 0 },
    ...cpuColumns('µs/client'),
    { figure: 'rssMB', title: 'RSS MB', digits: 1 },
  ],

  async run(bench) {
    const { manyWorkers, stormClients, poolSize } = bench.options;
    const counter = await LoginCounter.start(bench.postgres.address.port);
    const server = { host: '127.0.0.1', port: counter.port };
    const setup = { workers: manyWorkers, poolSize, maxClients: stormClients, server };
    const poolers = withSeveralProcesses(bench.contestants, manyWorkers).map((contestant) =>
      bench.newPooler(contestant, setup),
    );
    const caseName = `${stormClients} clients, pool of ${poolSize}, ${manyWorkers} workers`;
    try {
      return await oneByOne(bench, poolers, 'storm', caseName, 1, (pooler, remark) =>
        measure(bench, pooler, counter, remark),
      );
    } finally {
      counter.stop();
    }
  },
};

async function measure(
  { children, options: { stormClients } }: Bench,
  pooler: Pooler,
  counter: LoginCounter,
  remark: (text: string) => void,
): Promise<Figures> {
  const load = Load.start(children, loadProcesses());
  try {
    // The processes are up before the clock runs.
    await load.run();
    const clients = Array.from({ length: stormClients }, (_, id) => id);
    pooler.forgetPeak();
    counter.forget();
    const cpu = pooler.cpuTime();
    const begin = performance.now();
    const { ports, failures } = await load.open({
      address: pooler.address,
      clients,
      sql: SQL,
      asksOnce: true,
    });
    const seconds = (performance.now() - begin) / 1000;
    remark(failures.first);
    return {
      served: ports.size,
      errors: failures.count,
      seconds,
      serversMax: counter.connectionsMax,
      loginsMax: counter.loginsMax,
      logins: counter.accepted,
      ...cpuFigures(difference(cpu, pooler.cpuTime()), stormClients),
      rssMB: pooler.peakBytes() / 1e6,
    };
  } finally {
    await load.end();
  }
}
