/** The process: starts the workers, listens to signals, answers what workers ask, and brings everything to an end. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { LoadedConfiguration } from '../config/load.js';
import type { DataPlaneSettings } from '../pooler/settings.js';
import type { ToControl } from '../pooler/thread-messages.js';
import { SystemError } from '../reactor/libc.js';
import { deriveScramKeys } from '../wire/scram-verifier.js';
import { AdminConsole } from './admin/console.js';
import { AuthQueries } from './auth-query/auth-queries.js';
import { databaseSettings } from './auth-query/database-auth-query.js';
import type { RunTimePools } from './auth-query/dynamic-pools.js';
import { connectExecutor } from './auth-query/executor-connection.js';
import { addressOf, toDataPlaneSettings } from './data-plane-settings.js';
import type { Log } from './logs.js';
import { fillPools, retainCycle } from './retain-cycle.js';
import { Statistics } from './statistics.js';
import { VERSION } from './version.js';
import { Workers } from './workers.js';

const RESOLVE_INTERVAL_MS = 15_000;
/** Descriptors beside those of clients and servers: log, libraries, rings, cancels. */
const DESCRIPTORS_EXTRA = 100;

export class Supervisor {
  private readonly loaded: LoadedConfiguration;
  private readonly settings: DataPlaneSettings;
  private readonly log: Log;
  private readonly workers: Workers;
  private readonly console: AdminConsole;
  private readonly authQueries: AuthQueries;
  private readonly finish: (status: number) => void;
  private isEnding = false;

  private constructor(
    loaded: LoadedConfiguration,
    settings: DataPlaneSettings,
    log: Log,
    finish: (status: number) => void,
  ) {
    this.loaded = loaded;
    this.settings = settings;
    this.log = log;
    this.finish = finish;
    this.workers = new Workers(settings, this);
    this.authQueries = new AuthQueries({
      pools: NO_RUN_TIME_POOLS,
      sharedPool: (database, user) =>
        settings.pools.findIndex(
          (each) => each.isDynamic && each.database === database && each.user === user,
        ),
      connect: connectExecutor,
      clock: Date.now,
      warn: (text) => log.warn(text),
      post: (worker, message) => this.workers.post(worker, message),
    });
    this.authQueries.configure(databaseSettings(loaded));
    const { counters } = this.workers.shared;
    this.console = new AdminConsole({
      configuration: loaded.configuration,
      settings,
      statistics: new Statistics(counters, settings.workerThreads, settings.pools.length),
      snapshot: () => this.workers.snapshot(),
      workers: () => this.workers.status(),
      authQuery: () => this.authQueries.snapshot(),
      shutDown: () => this.shutDown('SHUTDOWN'),
    });
  }

  /** Runs until the end and returns the exit status. */
  static async run(loaded: LoadedConfiguration, log: Log): Promise<number> {
    if (loaded.notInForce.length > 0) log.warn(`not in force yet: ${loaded.notInForce.join(', ')}`);
    const settings = await toDataPlaneSettings(loaded, 1);
    warnOfDescriptors(settings, log);
    return new Promise((resolve) => {
      try {
        const supervisor = new Supervisor(loaded, settings, log, resolve);
        supervisor.listenToSignals();
        setInterval(() => void supervisor.resolveHosts(), RESOLVE_INTERVAL_MS).unref();
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        log.error(`cannot start: ${error.message}`);
        resolve(1);
      }
    });
  }

  onReady(port: number, backend: string, why: string): void {
    const { host, workerThreads, retainConnectionsTimeMs, pools } = this.settings;
    this.log.info(`I/O by ${backend}: ${why}; ${counted(workerThreads, 'worker thread')}`);
    this.log.info(`listening on ${host}:${port}, pg_doorman ${VERSION}, pid ${process.pid}`);
    fillPools(pools, [...this.workers.all()]);
    const cycle = () => {
      void retainCycle(this.settings, [...this.workers.all()]);
      this.authQueries.collect();
    };
    setInterval(cycle, retainConnectionsTimeMs).unref();
  }

  onMessage(worker: number, message: ToControl): void {
    switch (message.type) {
      case 'cannotStart':
        this.log.error(`cannot start: ${message.why}`);
        return this.finish(1);
      case 'log':
        return this.log.log(message.level, message.text);
      case 'adminQuery':
        return void this.answerAdmin(worker, message.client, message.sql);
      case 'deriveScramKeys':
        return void this.deriveKeys(worker, message);
      case 'findUser':
        return void this.authQueries.findUser(worker, message);
      case 'loginOver':
        return this.authQueries.loginOver(worker, message.request, message.outcome);
      case 'stopped':
        if (this.workers.count > 0) return;
        this.log.info('stopped');
        return this.finish(0);
      default: // others have taken it
    }
  }

  onDied(worker: number, why: string): void {
    this.authQueries.workerDied(worker);
    this.log.error(`worker ${worker} has died, and its clients have lost their connections: ${why}`);
  }

  onReplaced(worker: number): void {
    this.log.info(`worker ${worker} serves again`);
  }

  private listenToSignals(): void {
    process.on('SIGTERM', () => {
      this.log.info('SIGTERM: stopping at once');
      this.workers.end();
      this.workers.postToAll({ type: 'stop' });
    });
    process.on('SIGINT', () => {
      this.shutDown('SIGINT');
    });
  }

  /** A second one changes nothing. */
  private shutDown(by: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.log.info(
      `${by}: graceful shutdown, transactions have ${this.settings.shutdownTimeoutMs} ms to finish`,
    );
    this.workers.end();
    this.workers.postToAll({ type: 'shutdown', graceMs: this.settings.shutdownTimeoutMs });
  }

  private async answerAdmin(worker: number, client: number, sql: string): Promise<void> {
    const bytes = await this.console.answer(sql);
    this.workers.post(worker, { type: 'adminAnswer', client, bytes });
  }

  private async deriveKeys(worker: number, asked: ToControl & { type: 'deriveScramKeys' }): Promise<void> {
    const { request, password, salt, iterations } = asked;
    const keys = await deriveScramKeys(password.normalize('NFKC'), salt, iterations);
    this.workers.post(worker, { type: 'scramKeys', request, keys });
  }

  /** Host names may come to stand for other machines: new servers go there. */
  private async resolveHosts(): Promise<void> {
    for (const [pool, { database, address }] of this.settings.pools.entries()) {
      const host = this.loaded.configuration.pools[database]?.server_host ?? '';
      if (address.kind !== 'tcp' || isIP(host) !== 0) continue;
      this.workers.postToAll({ type: 'address', pool, host: await addressOf(host) });
    }
  }
}

/** Passthrough mode waits for pools that can be opened while workers run. */
const NO_RUN_TIME_POOLS: RunTimePools = {
  open: () => Promise.reject(new Error('passthrough mode is not in force yet: set server_user')),
  close: () => undefined,
  isEmpty: () => false,
};

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function warnOfDescriptors({ maxConnections, pools }: DataPlaneSettings, log: Log): void {
  const limit = Number(
    /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Number.NaN,
  );
  const wanted = maxConnections + pools.reduce((sum, { poolSize }) => sum + poolSize, DESCRIPTORS_EXTRA);
  if (limit < wanted) {
    log.warn(
      `the limit of open files is ${limit}, and max_connections with all pools may want ${wanted}: raise it (ulimit -n, LimitNOFILE)`,
    );
  }
}
