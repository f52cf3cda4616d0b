/** The process: starts the workers, listens to signals, answers what workers ask, and brings everything to an end. */
import { isIP } from 'node:net';
import { ConfigurationError } from '../config/complaints.js';
import type { LoadedConfiguration } from '../config/load.js';
import { warningsOf } from '../config/warnings.js';
import type { LogFields } from '../pooler/log-fields.js';
import type { DataPlaneSettings } from '../pooler/settings.js';
import type { ToControl } from '../pooler/thread-messages.js';
import { Errno, SystemError } from '../reactor/libc.js';
import { deriveScramKeys } from '../wire/scram-verifier.js';
import { AdminConsole } from './admin/console.js';
import { Consoles } from './admin/consoles.js';
import { AuthQueries } from './auth-query/auth-queries.js';
import { databaseSettings } from './auth-query/database-auth-query.js';
import { Proofs } from './authentication/proofs.js';
import { ClientSecrets, type Resolved, resolveSettings } from './data-plane-settings.js';
import { ExecutablePages } from './executable-pages.js';
import { hostNames } from './host-names.js';
import type { Log } from './logs.js';
import { liveSource } from './metrics/live-source.js';
import { MonitoringServer } from './metrics/monitoring-server.js';
import { notify } from './notify.js';
import { PoolAdministration } from './pool-administration.js';
import { TooManyPools } from './pools.js';
import { changesText, nextClientTls, type ReadAnew, readAnew } from './reload.js';
import { fillPools, retainCycle } from './retain-cycle.js';
import { openFilesMax, startLines, totals } from './run-report.js';
import { listenToSignals, type SignalActions } from './signals.js';
import { Statistics } from './statistics.js';
import { UpgradeFailed } from './upgrade/failure.js';
import { Predecessor } from './upgrade/predecessor.js';
import { INIT, Upgrade, type UpgradeHooks } from './upgrade/upgrade.js';
import type { WorkerHandle } from './worker-handle.js';
import { type WorkerStatus, Workers } from './workers.js';

const RESOLVE_INTERVAL_MS = 15_000;
/** Descriptors beside those of clients and servers: log, libraries, rings, cancels. */
const DESCRIPTORS_EXTRA = 100;

/** Whoever has started this process as a service. */
export interface Service {
  /** Clients may come. */
  serving(): void;
  /** A process that had taken this one's place has failed: this one is the service again. */
  takenBack(): void;
}

export class Supervisor implements SignalActions, UpgradeHooks {
  private loaded: LoadedConfiguration;
  private settings: DataPlaneSettings;
  private readonly secrets: ClientSecrets;
  private readonly log: Log;
  private readonly workers: Workers;
  private readonly authQueries: AuthQueries;
  private readonly proofs: Proofs;
  private readonly administration = new PoolAdministration(() => this.workers.all());
  private readonly consoles: Consoles;
  private readonly statistics: Statistics;
  private readonly service: Service;
  private monitoring: MonitoringServer | null = null;
  private readonly finish: (status: number) => void;
  private readonly predecessor: Predecessor | null;
  private readonly upgrading: Upgrade;
  /** Clients can connect. */
  isReady = false;
  isEnding = false;
  private isFinishing = false;
  private isResolving = false;
  private retainTimer: NodeJS.Timeout | null = null;
  /** The reload that is underway, and the one that follows it. */
  private reloading: Promise<unknown> = Promise.resolve();
  private nextReload: Promise<readonly string[]> | null = null;

  private constructor(
    loaded: LoadedConfiguration,
    { settings, pools }: Resolved,
    secrets: ClientSecrets,
    log: Log,
    predecessor: Predecessor | null,
    service: Service,
    finish: (status: number) => void,
  ) {
    this.loaded = loaded;
    this.settings = settings;
    this.secrets = secrets;
    this.log = log;
    this.service = service;
    this.finish = finish;
    this.predecessor = predecessor;
    this.proofs = new Proofs(loaded, log);
    hostNames.onChange = (text) => log.warn(text);
    this.workers = new Workers({ settings, pools }, log.level, this, predecessor?.heritage ?? null);
    log.onLevel = (level) => this.workers.setLogLevel(level);
    this.upgrading = new Upgrade({
      workers: this.workers,
      settings: () => this.settings,
      log,
      predecessor,
      paused: () => this.administration.pausedNow,
      hooks: this,
    });
    const { shared, pools: all } = this.workers;
    this.statistics = new Statistics(shared.counters, settings.workerThreads, () => all.all());
    this.authQueries = new AuthQueries({
      pools: {
        open: async (each) => all.open(each),
        close: (pool) => all.close(pool),
        isEmpty: (pool) => all.isEmpty(pool),
      },
      sharedPool: (database, user) => all.numberOf({ database, user, isDynamic: true }),
      // Its driver is loaded when there is a query to ask.
      connect: async (executor) => {
        const { connectExecutor } = await import('./auth-query/executor-connection.js');
        return connectExecutor(executor);
      },
      clocks: { steadyMs: () => performance.now(), wallMs: Date.now },
      warn: (text) => log.warn(text),
      post: (worker, message) => this.workers.post(worker, message),
    });
    this.authQueries.configure(databaseSettings(loaded));
    const console = new AdminConsole({
      configuration: () => this.loaded.configuration,
      pools: all,
      statistics: this.statistics,
      snapshot: () => this.workers.snapshot(),
      statements: () => this.workers.statements(),
      workers: () => this.workers.status(),
      log,
      poolControl: this.administration,
      killClient: (id) => this.administration.killClient(id),
      authQuery: () => this.authQueries.snapshot(),
      shutDown: () => this.shutDown('SHUTDOWN'),
      reload: () => this.reload('RELOAD'),
      upgrade: () => this.upgrade('UPGRADE'),
    });
    this.consoles = new Consoles(console, (error) =>
      log.error(`bug: ${error instanceof Error ? error.stack : String(error)}`),
    );
    // The address of the metrics is the old process's until it hands its clients over.
    if (predecessor === null) this.openMonitoring();
    else
      predecessor.serve(this.workers, log, (paused) => {
        this.administration.inherit(paused);
        this.openMonitoring();
      });
  }

  /** Runs until the end and returns the exit status. */
  static async run(loaded: LoadedConfiguration, log: Log, service: Service): Promise<number> {
    for (const warning of warningsOf(loaded.configuration)) log.warn(warning);
    const secrets = new ClientSecrets();
    const predecessor = await Predecessor.find(process.env);
    const own = await resolveSettings(loaded, secrets);
    const resolved = { ...own, settings: predecessor?.adapt(own.settings) ?? own.settings };
    warnOfDescriptors(resolved, log);
    return new Promise((resolve) => {
      try {
        const supervisor = new Supervisor(loaded, resolved, secrets, log, predecessor, service, resolve);
        listenToSignals(supervisor);
        process.on('SIGHUP', () => void supervisor.reload('SIGHUP'));
        process.on('SIGUSR2', () => supervisor.upgradeBy('SIGUSR2'));
        setInterval(() => void supervisor.resolveHosts(), RESOLVE_INTERVAL_MS).unref();
      } catch (error) {
        if (!(error instanceof SystemError || error instanceof TooManyPools)) throw error;
        const isInUse = error instanceof SystemError && error.errno === Errno.EADDRINUSE;
        log.error(`cannot start: ${error.message}${isInUse ? ' (another process has it)' : ''}`);
        resolve(1);
      }
    });
  }

  private openMonitoring(): void {
    const { prometheus } = this.loaded.configuration;
    if (!prometheus.enabled) return;
    const source = liveSource({
      settings: () => this.settings,
      workers: this.workers,
      statistics: this.statistics,
      authQuery: () => this.authQueries.snapshot(),
    });
    this.monitoring = new MonitoringServer(prometheus, source, () => this, this.log);
    void this.monitoring.open();
  }

  onReady(port: number, backend: string, why: string): void {
    const { settings } = this;
    const pools = [...this.workers.pools.all()].map(([, each]) => each);
    const lines = startLines(this.loaded, { settings, pools }, { port, backend, why });
    for (const line of lines) this.log.info(line);
    this.isReady = true;
    notify.status(`Serving on port ${port}`);
    notify.ready();
    this.service.serving();
    this.keepPools();
    this.predecessor?.ready();
    new ExecutablePages().begin();
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
        return this.log.log(message.level, message.text, message.fields, worker);
      case 'adminMessages':
        return void this.answerAdmin(worker, message.client, message.bytes);
      case 'adminCancel':
        return this.consoles.cancel(message.client);
      case 'adminEnded':
        return this.consoles.ended(message.client);
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
        this.upgrading.workerGone(worker);
        return this.stopped();
      default:
        this.upgrading.onMessage(worker, message);
    }
  }

  /** A worker has, which may be the last; or there was none to begin with. */
  private stopped(): void {
    if (!this.workers.isOver || this.isFinishing) return;
    this.isFinishing = true;
    void this.upgrading.finished().then(() => {
      this.isFinishing = this.workers.isOver;
      if (!this.isFinishing) return; // the new process has failed meanwhile
      this.log.info('stopped', totals(this.statistics, this.workers.pools.all()));
      this.finish(0);
    });
  }

  onStarting(worker: WorkerHandle): void {
    this.administration.greet(worker);
  }

  onDied(was: WorkerStatus, why: string, hasServed: boolean): void {
    const { worker } = was;
    this.consoles.forget(worker);
    this.authQueries.workerDied(worker);
    this.upgrading.workerGone(worker);
    const fields = stateFields(was);
    if (hasServed)
      this.log.error(
        `worker ${worker} has died, and its clients have lost their connections: ${why}`,
        fields,
      );
    else this.log.error(`worker ${worker} cannot start, and is tried again more and more seldom: ${why}`);
    if (this.workers.isOver) this.stopped();
  }

  onSilent(is: WorkerStatus, seconds: number): void {
    this.log.error(
      `worker ${is.worker} has not come round for ${seconds} s: its clients wait`,
      stateFields(is),
    );
  }

  get isHandingOver(): boolean {
    return this.upgrading.isTransferring;
  }

  onReplaced(worker: number): void {
    this.log.info(`worker ${worker} serves again`);
  }

  /** SIGINT without a terminal. A container's first process is nobody's to replace. */
  readonly upgradeInstead = process.pid === INIT ? null : (signal: string) => this.upgradeBy(signal);

  handedOver(pid: number): void {
    notify.mainPid(pid);
    this.monitoring?.close();
  }

  departed(): void {
    this.stopped();
  }

  takenBack(): void {
    notify.mainPid(process.pid);
    this.service.takenBack();
    this.openMonitoring();
  }

  note(text: string): void {
    this.log.info(text);
  }

  stopAtOnce(by: string): void {
    this.log.info(`${by}: stopping at once`);
    notify.stopping();
    this.upgrading.giveUp();
    this.workers.end();
    this.workers.postToAll({ type: 'stop' });
    this.stopped();
  }

  /** Another process takes this one's place. Throws UpgradeFailed when this one goes on. */
  private async upgrade(by: string): Promise<void> {
    this.log.info(`${by}: binary upgrade`);
    try {
      await this.upgrading.upgrade();
    } catch (error) {
      const why = error instanceof UpgradeFailed ? error.message : String(error);
      this.log.error(`upgrade: nothing has changed, this process goes on: ${why}`);
      throw error;
    }
  }

  /** Whoever sends a signal reads the log. */
  private upgradeBy(signal: string): void {
    this.upgrade(signal).catch(() => undefined);
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
    notify.reloading();
    try {
      return await this.putInForce(readAnew(this.loaded), by);
    } catch (error) {
      if (error instanceof ConfigurationError) return failed(error.message.split('\n'));
      return failed([error instanceof TooManyPools ? error.message : `bug: ${String(error)}`]);
    } finally {
      notify.ready();
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
    for (const warning of warningsOf(loaded.configuration)) this.log.warn(`${by}: ${warning}`);
    if (needRestart.length > 0) this.log.warn(`${by}: these need a restart: ${needRestart.join(', ')}`);
    warnOfDescriptors(resolved, this.log);
    return [];
  }

  /** A second one changes nothing. */
  shutDown(by: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.upgrading.giveUp();
    notify.stopping(this.settings.shutdownTimeoutMs);
    this.log.info(
      `${by}: graceful shutdown, transactions have ${this.settings.shutdownTimeoutMs} ms to finish`,
    );
    this.workers.end();
    this.workers.postToAll({ type: 'shutdown', graceMs: this.settings.shutdownTimeoutMs });
    this.stopped();
  }

  private async answerAdmin(worker: number, client: number, messages: Uint8Array): Promise<void> {
    const bytes = await this.consoles.answer(worker, client, messages);
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
    if (this.isResolving) return; // name servers that do not answer take their time
    this.isResolving = true;
    try {
      await this.resolveEach();
    } finally {
      this.isResolving = false;
    }
  }

  private async resolveEach(): Promise<void> {
    const found = new Map<string, string>();
    for (const [pool, { database, address }] of this.workers.pools.all()) {
      const host = this.loaded.configuration.pools[database]?.server_host ?? '';
      if (address.kind !== 'tcp' || isIP(host) !== 0) continue;
      const current = found.get(host) ?? (await hostNames.addressOf(host));
      found.set(host, current);
      this.workers.pools.move(pool, current);
    }
  }
}

function stateFields({ clients, servers, requestsASecond }: WorkerStatus): LogFields {
  return { clients, servers, requests_per_second: requestsASecond };
}

function warnOfDescriptors({ settings: { maxConnections }, pools }: Resolved, log: Log): void {
  const limit = openFilesMax();
  const wanted = maxConnections + pools.reduce((sum, { poolSize }) => sum + poolSize, DESCRIPTORS_EXTRA);
  if (limit < wanted) {
    log.warn(
      `the limit of open files is ${limit}, and max_connections with all pools may want ${wanted}: raise it (ulimit -n, LimitNOFILE)`,
    );
  }
}
