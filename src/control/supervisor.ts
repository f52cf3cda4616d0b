/** The process: starts the workers, listens to signals, answers what workers ask, and brings everything to an end. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { ConfigurationError } from '../config/complaints.js';
import type { LoadedConfiguration } from '../config/load.js';
import { warningsOf } from '../config/warnings.js';
import type { DataPlaneSettings } from '../pooler/settings.js';
import type { ToControl } from '../pooler/thread-messages.js';
import { SystemError } from '../reactor/libc.js';
import { deriveScramKeys } from '../wire/scram-verifier.js';
import { AdminConsole } from './admin/console.js';
import { AuthQueries } from './auth-query/auth-queries.js';
import { databaseSettings } from './auth-query/database-auth-query.js';
import { connectExecutor } from './auth-query/executor-connection.js';
import { Proofs } from './authentication/proofs.js';
import { addressOf, ClientSecrets, type Resolved, resolveSettings } from './data-plane-settings.js';
import type { Log } from './logs.js';
import { TooManyPools } from './pools.js';
import { changesText, nextClientTls, type ReadAnew, readAnew } from './reload.js';
import { fillPools, retainCycle } from './retain-cycle.js';
import { Statistics } from './statistics.js';
import { VERSION } from './version.js';
import { Workers } from './workers.js';

const RESOLVE_INTERVAL_MS = 15_000;
/** Descriptors beside those of clients and servers: log, libraries, rings, cancels. */
const DESCRIPTORS_EXTRA = 100;

export class Supervisor {
  private loaded: LoadedConfiguration;
  private settings: DataPlaneSettings;
  private readonly secrets: ClientSecrets;
  private readonly log: Log;
  private readonly workers: Workers;
  private readonly console: AdminConsole;
  private readonly authQueries: AuthQueries;
  private readonly proofs: Proofs;
  private readonly finish: (status: number) => void;
  private isEnding = false;
  private isReady = false;
  private retainTimer: NodeJS.Timeout | null = null;
  /** The reload that is underway, and the one that follows it. */
  private reloading: Promise<unknown> = Promise.resolve();
  private nextReload: Promise<readonly string[]> | null = null;

  private constructor(
    loaded: LoadedConfiguration,
    { settings, pools }: Resolved,
    secrets: ClientSecrets,
    log: Log,
    finish: (status: number) => void,
  ) {
    this.loaded = loaded;
    this.settings = settings;
    this.secrets = secrets;
    this.log = log;
    this.finish = finish;
    this.proofs = new Proofs(loaded, log);
    this.workers = new Workers(settings, pools, this);
    const { shared, pools: all } = this.workers;
    this.authQueries = new AuthQueries({
      pools: {
        open: async (each) => all.open(each),
        close: (pool) => all.close(pool),
        isEmpty: (pool) => all.isEmpty(pool),
      },
      sharedPool: (database, user) => all.numberOf({ database, user, isDynamic: true }),
      connect: connectExecutor,
      clock: Date.now,
      warn: (text) => log.warn(text),
      post: (worker, message) => this.workers.post(worker, message),
    });
    this.authQueries.configure(databaseSettings(loaded));
    this.console = new AdminConsole({
      configuration: () => this.loaded.configuration,
      pools: all,
      statistics: new Statistics(shared.counters, settings.workerThreads, () => all.all()),
      snapshot: () => this.workers.snapshot(),
      workers: () => this.workers.status(),
      authQuery: () => this.authQueries.snapshot(),
      shutDown: () => this.shutDown('SHUTDOWN'),
      reload: () => this.reload('RELOAD'),
    });
  }

  /** Runs until the end and returns the exit status. */
  static async run(loaded: LoadedConfiguration, log: Log): Promise<number> {
    if (loaded.notInForce.length > 0) log.warn(`not in force yet: ${loaded.notInForce.join(', ')}`);
    for (const warning of warningsOf(loaded.configuration)) log.warn(warning);
    const secrets = new ClientSecrets();
    const resolved = await resolveSettings(loaded, secrets);
    warnOfDescriptors(resolved, log);
    return new Promise((resolve) => {
      try {
        const supervisor = new Supervisor(loaded, resolved, secrets, log, resolve);
        supervisor.listenToSignals();
        setInterval(() => void supervisor.resolveHosts(), RESOLVE_INTERVAL_MS).unref();
      } catch (error) {
        if (!(error instanceof SystemError || error instanceof TooManyPools)) throw error;
        log.error(`cannot start: ${error.message}`);
        resolve(1);
      }
    });
  }

  onReady(port: number, backend: string, why: string): void {
    const { host, workerThreads } = this.settings;
    this.log.info(`I/O by ${backend}: ${why}; ${counted(workerThreads, 'worker thread')}`);
    this.log.info(`listening on ${host}:${port}, pg_doorman ${VERSION}, pid ${process.pid}`);
    this.isReady = true;
    this.keepPools();
  }

  /** From now on, at this pace. */
  private keepPools(): void {
    const { pools } = this.workers;
    fillPools(pools.all(), [...this.workers.all()]);
    if (this.retainTimer !== null) clearInterval(this.retainTimer);
    const cycle = () => {
      void retainCycle(this.settings, pools.all(), [...this.workers.all()]);
      this.authQueries.collect();
    };
    this.retainTimer = setInterval(cycle, this.settings.retainConnectionsTimeMs).unref();
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
      case 'checkProof':
        return void this.checkProof(worker, message);
      case 'forgetProof':
        return this.proofs.forget(worker, message.request);
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
    process.on('SIGHUP', () => void this.reload('SIGHUP'));
    process.on('SIGINT', () => {
      this.shutDown('SIGINT');
    });
  }

  /** Reads the configuration anew. Returns what is wrong with it, and then nothing has changed. However often it is
   *  asked for meanwhile, one more follows. */
  private reload(by: string): Promise<readonly string[]> {
    this.nextReload ??= this.reloading.then(() => {
      this.nextReload = null;
      const reload = this.reloadNow(by);
      this.reloading = reload;
      return reload;
    });
    return this.nextReload;
  }

  private async reloadNow(by: string): Promise<readonly string[]> {
    const failed = (complaints: readonly string[]): readonly string[] => {
      for (const each of complaints) this.log.error(`${by}: ${each}`);
      this.log.error(`${by}: the configuration stays as it was`);
      return complaints;
    };
    if (this.isEnding || !this.isReady) return failed(['pg_doorman is starting or ending']);
    try {
      return await this.putInForce(readAnew(this.loaded), by);
    } catch (error) {
      if (error instanceof ConfigurationError) return failed(error.message.split('\n'));
      return failed([error instanceof TooManyPools ? error.message : `bug: ${String(error)}`]);
    }
  }

  private async putInForce({ loaded, needRestart }: ReadAnew, by: string): Promise<readonly string[]> {
    const resolved = await resolveSettings(loaded, this.secrets);
    const { workers, settings: present } = this;
    const clientTls = nextClientTls(present.clientTls, resolved.settings.clientTls);
    const settings = { ...resolved.settings, clientTls };
    const changes = workers.pools.configure(resolved.pools);
    workers.configure(settings, clientTls !== present.clientTls);
    this.authQueries.configure(databaseSettings(loaded));
    this.loaded = loaded;
    this.settings = settings;
    this.proofs.reload(loaded);
    this.keepPools();
    this.log.info(`${by}: the configuration is in force; ${changesText(changes)}`);
    if (needRestart.length > 0) this.log.warn(`${by}: these need a restart: ${needRestart.join(', ')}`);
    warnOfDescriptors(resolved, this.log);
    return [];
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

  private async checkProof(worker: number, asked: ToControl & { type: 'checkProof' }): Promise<void> {
    const { request, proof } = asked;
    const verdict = await this.proofs.check(worker, request, proof);
    this.workers.post(worker, { type: 'proofChecked', request, verdict });
  }

  /** Host names may come to stand for other machines: new servers go there. */
  private async resolveHosts(): Promise<void> {
    for (const [pool, { database, address }] of this.workers.pools.all()) {
      const host = this.loaded.configuration.pools[database]?.server_host ?? '';
      if (address.kind !== 'tcp' || isIP(host) !== 0) continue;
      this.workers.pools.move(pool, await addressOf(host));
    }
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function warnOfDescriptors({ settings: { maxConnections }, pools }: Resolved, log: Log): void {
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
