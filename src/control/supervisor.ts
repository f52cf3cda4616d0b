/** The process: starts the workers, listens to signals, answers what workers ask, and brings everything to an end. */
import { isIP } from 'node:net';
import type { LoadedConfiguration } from '../config/load.js';
import type { DataPlaneSettings } from '../pooler/settings.js';
import type { ToControl } from '../pooler/thread-messages.js';
import { SystemError } from '../reactor/libc.js';
import { deriveScramKeys } from '../wire/scram-verifier.js';
import { AdminConsole } from './admin/console.js';
import { addressOf, toDataPlaneSettings } from './data-plane-settings.js';
import type { Log } from './logs.js';
import { notify } from './notify.js';
import { fillPools, retainCycle } from './retain-cycle.js';
import { openFilesMax, startLines, totals } from './run-report.js';
import { listenToSignals } from './signals.js';
import { Statistics } from './statistics.js';
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
  private readonly statistics: Statistics;
  private readonly onServing: () => void;
  private readonly finish: (status: number) => void;
  private isEnding = false;

  private constructor(
    loaded: LoadedConfiguration,
    settings: DataPlaneSettings,
    log: Log,
    onServing: () => void,
    finish: (status: number) => void,
  ) {
    this.loaded = loaded;
    this.settings = settings;
    this.log = log;
    this.onServing = onServing;
    this.finish = finish;
    this.workers = new Workers(settings, log.level, this);
    log.onLevel = (level) => this.workers.setLogLevel(level);
    const { counters } = this.workers.shared;
    this.statistics = new Statistics(counters, settings.workerThreads, settings.pools.length);
    this.console = new AdminConsole({
      configuration: loaded.configuration,
      settings,
      statistics: this.statistics,
      snapshot: () => this.workers.snapshot(),
      workers: () => this.workers.status(),
      shutDown: () => this.shutDown('SHUTDOWN'),
    });
  }

  /** Runs until the end and returns the exit status. `onServing` is called when clients may come. */
  static async run(
    loaded: LoadedConfiguration,
    log: Log,
    onServing: () => void = () => undefined,
  ): Promise<number> {
    if (loaded.notInForce.length > 0) log.warn(`not in force yet: ${loaded.notInForce.join(', ')}`);
    const settings = await toDataPlaneSettings(loaded, 1);
    warnOfDescriptors(settings, log);
    return new Promise((resolve) => {
      try {
        const supervisor = new Supervisor(loaded, settings, log, onServing, resolve);
        listenToSignals(supervisor);
        setInterval(() => void supervisor.resolveHosts(), RESOLVE_INTERVAL_MS).unref();
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        log.error(`cannot start: ${error.message}`);
        resolve(1);
      }
    });
  }

  onReady(port: number, backend: string, why: string): void {
    const { retainConnectionsTimeMs, pools } = this.settings;
    for (const line of startLines(this.loaded, this.settings, { port, backend, why })) this.log.info(line);
    notify.status(`Serving on port ${port}`);
    notify.ready();
    this.onServing();
    fillPools(pools, [...this.workers.all()]);
    const cycle = () => void retainCycle(this.settings, [...this.workers.all()]);
    setInterval(cycle, retainConnectionsTimeMs).unref();
  }

  onMessage(worker: number, message: ToControl): void {
    switch (message.type) {
      case 'cannotStart':
        this.log.error(`cannot start: ${message.why}`);
        return this.finish(1);
      case 'log':
        return this.log.log(message.level, message.text, message.fields, worker);
      case 'adminQuery':
        return void this.answerAdmin(worker, message.client, message.sql);
      case 'deriveScramKeys':
        return void this.deriveKeys(worker, message);
      case 'stopped':
        if (this.workers.count > 0) return;
        this.log.info('stopped', totals(this.statistics, this.settings.pools.length));
        return this.finish(0);
      default: // others have taken it
    }
  }

  onDied(worker: number, why: string): void {
    this.log.error(`worker ${worker} has died, and its clients have lost their connections: ${why}`);
  }

  onReplaced(worker: number): void {
    this.log.info(`worker ${worker} serves again`);
  }

  readonly upgrade = null;

  note(text: string): void {
    this.log.info(text);
  }

  stopAtOnce(by: string): void {
    this.log.info(`${by}: stopping at once`);
    notify.stopping();
    this.workers.end();
    this.workers.postToAll({ type: 'stop' });
  }

  /** A second one changes nothing. */
  shutDown(by: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    notify.stopping(this.settings.shutdownTimeoutMs);
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

function warnOfDescriptors({ maxConnections, pools }: DataPlaneSettings, log: Log): void {
  const limit = openFilesMax();
  const wanted = maxConnections + pools.reduce((sum, { poolSize }) => sum + poolSize, DESCRIPTORS_EXTRA);
  if (limit < wanted) {
    log.warn(
      `the limit of open files is ${limit}, and max_connections with all pools may want ${wanted}: raise it (ulimit -n, LimitNOFILE)`,
    );
  }
}
