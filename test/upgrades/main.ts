/** `npm run upgrades`: many clients work while one upgrade follows another. Tells how long each took and what the clients
 *  saw, as a table; ends with status 1 when one that can move had an error. docs/upgrade.md has the figures. */
import { Authority, secretFile } from '../support/certificates.js';
import { Doorman, UNTRACED } from '../support/doorman.js';
import { Postgres } from '../support/postgres.js';
import { UpgradeLoad } from '../support/upgrade-load.js';

const UPGRADES = Number(process.env.UPGRADES ?? 10);
const PLAIN = Number(process.env.CLIENTS ?? 160);
const WITH_TLS = Number(process.env.CLIENTS_WITH_TLS ?? 40);
const PAUSE_MS = 50;
const POOL_SIZE = 20;

const authority = new Authority('CA of the upgrades');
const identity = authority.signLocal();
const postgres = await Postgres.create();
const doorman = await Doorman.start({
  args: UNTRACED,
  general: {
    sync_server_parameters: true,
    tls_certificate: secretFile(identity.certificate),
    tls_private_key: secretFile(identity.privateKey),
    worker_threads: Number(process.env.PG_DOORMAN_TEST_WORKERS ?? 2),
  },
  pools: {
    postgres: {
      server_host: '127.0.0.1',
      server_port: postgres.port,
      users: [{ username: 'postgres', password: '', pool_size: POOL_SIZE }],
    },
  },
});
const load = new UpgradeLoad(doorman, {
  plain: PLAIN,
  tls: WITH_TLS,
  authority: authority.pem,
  pauseMs: PAUSE_MS,
});

console.log('upgrade | new process serves after | old process ended after | connections that went');
for (let upgrade = 1; upgrade <= UPGRADES; upgrade++) {
  const old = doorman.pid;
  const since = performance.now();
  await doorman.upgrade();
  const served = performance.now();
  await doorman.isReplaced(old);
  const moved = [...doorman.log.matchAll(/(\d+) connections have gone to the new process/g)].at(-1)?.[1];
  console.log(`${upgrade} | ${ms(served - since)} | ${ms(performance.now() - since)} | ${moved}`);
}
const { requests, errors, reconnects, slowestMs } = await load.end();
await doorman.stop();
await postgres.remove();
const total = requests.reduce((sum, count) => sum + count, 0);
console.log(
  `${PLAIN} clients without TLS: ${errors.length} errors, the slowest answer took ${ms(slowestMs)}`,
);
console.log(`${WITH_TLS} with TLS: told to connect again ${reconnects} times`);
console.log(`${total} requests and transactions in all, every answer checked`);
for (const error of errors.slice(0, 5)) console.log(error);
process.exitCode = errors.length === 0 ? 0 : 1;

function ms(milliseconds: number): string {
  return `${Math.round(milliseconds)} ms`;
}
