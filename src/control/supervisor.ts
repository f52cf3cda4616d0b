/** The process: starts the worker, listens to signals, answers what workers ask, and brings everything to an end. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { LoadedConfiguration } from '../config/load.js';
import { countersBytes } from '../pooler/counters.js';
import type { DataPlaneSettings } from '../pooler/settings.js';
import type { ToControl } from '../pooler/thread-messages.js';
import { deriveScramKeys } from '../wire/scram-verifier.js';
import { AdminConsole } from './admin/console.js';
import { addressOf, toDataPlaneSettings } from './data-plane-settings.js';
import type { Log } from './logs.js';
import { Statistics } from './statistics.js';
import { VERSION } from './version.js';
import { WorkerHandle } from './worker-handle.js';

const STATEMENT_KEY_BYTES = 32;
const RESOLVE_INTERVAL_MS = 15_000;
/** Descriptors beside those of clients and servers: log, libraries, rings, cancels. */
const DESCRIPTORS_EXTRA = 100;

export class Supervisor {
  private readonly loaded: LoadedConfiguration;
  private readonly settings: DataPlaneSettings;
  private readonly log: Log;
  private readonly worker: WorkerHandle;
  private readonly console: AdminConsole;
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
    const counters = new SharedArrayBuffer(countersBytes(Math.max(1, settings.pools.length)));
    const statementKey = randomBytes(STATEMENT_KEY_BYTES);
    this.worker = new WorkerHandle({ index: 0, settings, counters, statementKey, version: VERSION }, this);
    this.console = new AdminConsole({
      configuration: loaded.configuration,
      settings,
      statistics: new Statistics(counters, settings.pools.length),
      snapshot: () => this.worker.snapshot(),
      shutDown: () => this.shutDown('SHUTDOWN'),
    });
  }

  /** Runs until the end and returns the exit status. */
  static async run(loaded: LoadedConfiguration, log: Log): Promise<number> {
    if (loaded.notInForce.length > 0) log.warn(`not in force yet: ${loaded.notInForce.join(', ')}`);
    const settings = await toDataPlaneSettings(loaded, 1);
    warnOfDescriptors(settings, log);
    return new Promise((resolve) => {
      const supervisor = new Supervisor(loaded, settings, log, resolve);
      supervisor.listenToSignals();
      setInterval(() => void supervisor.resolveHosts(), RESOLVE_INTERVAL_MS).unref();
    });
  }

  onMessage(message: ToControl): void {
    switch (message.type) {
      case 'listening':
        this.log.info(`I/O by ${message.backend}: ${message.why}`);
        this.log.info(
          `listening on ${this.settings.host}:${message.port}, pg_doorman ${VERSION}, pid ${process.pid}`,
        );
        return;
      case 'cannotStart':
        this.log.error(`cannot start: ${message.why}`);
        return this.finish(1);
      case 'log':
        return this.log.log(message.level, message.text);
      case 'adminQuery':
        return void this.answerAdmin(message.client, message.sql);
      case 'deriveScramKeys':
        return void this.deriveKeys(message.request, message.password, message.salt, message.iterations);
      case 'stopped':
        this.log.info('stopped');
        return this.finish(0);
      case 'snapshot': // the handle has taken it
        return;
    }
  }

  onDied(why: string): void {
    this.log.error(`a worker died: ${why}`);
    this.finish(1);
  }

  private listenToSignals(): void {
    process.on('SIGTERM', () => {
      this.log.info('SIGTERM: stopping at once');
      this.worker.post({ type: 'stop' });
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
    this.worker.post({ type: 'shutdown', graceMs: this.settings.shutdownTimeoutMs });
  }

  private async answerAdmin(client: number, sql: string): Promise<void> {
    this.worker.post({ type: 'adminAnswer', client, bytes: await this.console.answer(sql) });
  }

  private async deriveKeys(
    request: number,
    password: string,
    salt: Uint8Array,
    iterations: number,
  ): Promise<void> {
    const keys = await deriveScramKeys(password.normalize('NFKC'), salt, iterations);
    this.worker.post({ type: 'scramKeys', request, keys });
  }

  /** Host names may come to stand for other machines: new servers go there. */
  private async resolveHosts(): Promise<void> {
    for (const [pool, { database, address }] of this.settings.pools.entries()) {
      const host = this.loaded.configuration.pools[database]?.server_host ?? '';
      if (address.kind !== 'tcp' || isIP(host) !== 0) continue;
      this.worker.post({ type: 'address', pool, host: await addressOf(host) });
    }
  }
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
