/** The process patroni_proxy: starts the worker, keeps the clusters watched and the ports as they are to be, reloads,
 *  answers over HTTP, and brings everything to an end. */
import { ConfigurationError } from '../config/complaints.js';
import { HttpServer, type Pages, text } from '../http/http-server.js';
import { clusterReport } from './cluster-report.js';
import { ClusterWatch } from './cluster-watch.js';
import { FIRST_ANSWER_WAIT_MS } from './limits.js';
import { listenText } from './listen-address.js';
import { type ClusterSettings, loadProxySettings, type ProxySettings } from './load.js';
import { metricsText } from './metrics.js';
import type { LogLevel, ToControl } from './relay/thread-messages.js';
import { routesOf, routeText } from './routes.js';
import { type Predecessor, Successor, UpgradeFailed } from './succession.js';
import { WorkerHandle } from './worker-handle.js';

/** Where log lines go. */
export interface ProxyLog {
  log(level: LogLevel, text: string): void;
}

/** The service manager, as far as it is told. */
interface Manager {
  ready(): void;
  reloading(): void;
  stopping(graceMs: number): void;
  mainPid(pid: number): void;
}

export interface ProxyProgram {
  /** The configuration file, read again at SIGHUP. */
  readonly file: string;
  readonly version: string;
  readonly isDebug: boolean;
  readonly manager: Manager;
  /** The process whose place this one takes. */
  readonly predecessor: Predecessor | null;
}

/** Of a container. */
const INIT = 1;

/** An address that cannot be listened on. */
class CannotListen extends Error {
  override readonly name = 'CannotListen';
}

export class PatroniProxy {
  private readonly program: ProxyProgram;
  private settings: ProxySettings;
  private readonly output: ProxyLog;
  private readonly worker: WorkerHandle;
  private readonly finish: (status: number) => void;
  private watches = new Map<string, ClusterWatch>();
  private api: HttpServer | null = null;
  /** What the log has last said of each port. */
  private readonly told = new Map<string, string>();
  /** Changes of what the worker is to do follow one another. */
  private changing: Promise<unknown> = Promise.resolve();
  private exitStatus = 0;
  private isServing = false;
  private isDraining = false;
  private isUpgrading = false;
  /** Until it serves. */
  private successor: Successor | null = null;

  private constructor(
    program: ProxyProgram,
    settings: ProxySettings,
    output: ProxyLog,
    finish: (status: number) => void,
  ) {
    this.program = program;
    this.settings = settings;
    this.output = output;
    this.finish = finish;
    const { isDebug, predecessor } = program;
    const listeners = predecessor?.listeners ?? [];
    this.worker = new WorkerHandle({ ioBackend: settings.ioBackend, isDebug, listeners }, this);
  }

  /** Runs until the end and returns the exit status. */
  static run(program: ProxyProgram, settings: ProxySettings, output: ProxyLog): Promise<number> {
    return new Promise((resolve) => {
      const proxy = new PatroniProxy(program, settings, output, resolve);
      proxy.listenToSignals();
      proxy.start().catch((error: unknown) => {
        proxy.log('error', `cannot start: ${error instanceof Error ? error.message : String(error)}`);
        // The process cannot exit while a thread of it is in the kernel.
        proxy.exitStatus = 1;
        proxy.worker.post({ type: 'stop' });
      });
    });
  }

  log(level: LogLevel, line: string): void {
    this.output.log(level, line);
  }

  // ── starting and reloading ─────────────────────────────────────────────────────────────────────────────────────

  private async start(): Promise<void> {
    const { predecessor } = this.program;
    if (predecessor === null) this.api = await this.openApi(this.settings);
    this.watches = this.watchesFor(this.settings);
    await firstAnswers([...this.watches.values()]);
    if (predecessor !== null) {
      await predecessor.handsOver();
      this.api = await this.openApi(this.settings);
    }
    await this.inTurn(() => this.apply(this.settings, this.watches));
    this.isServing = true;
    predecessor?.serving();
    this.log('info', `patroni_proxy ${this.program.version} is serving, pid ${process.pid}`);
    this.program.manager.ready();
  }

  /** A file that cannot be used changes nothing. */
  private async reload(): Promise<void> {
    const { file, manager } = this.program;
    manager.reloading();
    try {
      const settings = loadProxySettings(file);
      const watches = this.watchesFor(settings);
      const isApiMoved = listenText(settings.apiAddress) !== listenText(this.settings.apiAddress);
      const api = isApiMoved ? await this.openApi(settings) : null;
      const fresh = [...watches.values()].filter((watch) => !this.isCurrent(watch));
      await firstAnswers(fresh);
      try {
        await this.apply(settings, watches);
      } catch (error) {
        api?.close();
        for (const watch of fresh) watch.stop();
        throw error;
      }
      this.take(settings, watches, api);
      this.log('info', `${file} is read again and in force`);
    } catch (error) {
      const why =
        error instanceof ConfigurationError || error instanceof CannotListen ? error.message : String(error);
      for (const line of why.split('\n')) this.log('error', `reload: ${line}`);
      this.log('error', 'reload: everything stays as it is');
    }
    manager.ready();
  }

  private take(settings: ProxySettings, watches: Map<string, ClusterWatch>, api: HttpServer | null): void {
    if (settings.ioBackend !== this.settings.ioBackend)
      this.log('warn', 'io_backend changes at the next start');
    for (const cluster of settings.clusters) {
      const watch = this.watches.get(cluster.name);
      watch?.change(cluster, settings.updateIntervalMs);
      void watch?.update();
    }
    for (const [name, watch] of this.watches) if (!watches.has(name)) watch.stop();
    this.settings = settings;
    this.watches = watches;
    if (api === null) return;
    this.api?.close();
    this.api = api;
  }

  /** Those that there are go on, for others there are new ones. */
  private watchesFor({ clusters, updateIntervalMs }: ProxySettings): Map<string, ClusterWatch> {
    return new Map(
      clusters.map((cluster) => [
        cluster.name,
        this.watches.get(cluster.name) ?? new ClusterWatch(cluster, updateIntervalMs, this),
      ]),
    );
  }

  private isCurrent(watch: ClusterWatch): boolean {
    return this.watches.get(watch.name) === watch;
  }

  // ── what the worker is to do ───────────────────────────────────────────────────────────────────────────────────

  /** A poll has brought an answer. */
  async onMembers(watch: ClusterWatch): Promise<void> {
    if (!this.isServing || !this.isCurrent(watch)) return; // whoever has begun to watch applies it himself
    await this.inTurn(() => this.apply(this.settings, this.watches));
  }

  /** Makes the worker's ports what the settings and the members say. Throws CannotListen; nothing has changed then. */
  private async apply(settings: ProxySettings, watches: ReadonlyMap<string, ClusterWatch>): Promise<void> {
    const clusters = settings.clusters.flatMap((cluster) => {
      const watch = watches.get(cluster.name);
      return watch === undefined ? [] : [{ cluster, watch }];
    });
    const routes = clusters.flatMap(({ cluster, watch }) => routesOf(cluster, watch));
    const { failure, opened } = await this.worker.apply(routes, settings.connectTimeoutMs);
    if (failure !== null) throw new CannotListen(failure);
    for (const each of opened) this.log('info', `listening on ${each}`);
    for (const { cluster, watch } of clusters) this.tellChanges(cluster, watch);
  }

  private tellChanges(cluster: ClusterSettings, watch: ClusterWatch): void {
    for (const port of cluster.ports) {
      const line = routeText(port, watch);
      const key = `${cluster.name}/${port.name}`;
      // A lag that differs from poll to poll is no news.
      const news = line.replace(/\d+ bytes behind/g, 'behind');
      if (this.told.get(key) === news) continue;
      this.told.set(key, news);
      this.log(line.includes('served by nobody') ? 'warn' : 'info', line);
    }
  }

  private inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.changing.then(change);
    this.changing = result.catch(() => undefined);
    return result;
  }

  // ── upgrade ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another process takes this one's place; connections stay here until they end. Where that fails nothing changes. */
  private async upgrade(): Promise<void> {
    this.isUpgrading = true;
    try {
      const successor = await Successor.start(await this.worker.listening());
      this.successor = successor;
      if (this.isDraining) successor.end();
      await successor.hasSaid('ready');
      await this.inTurn(() => this.handOver(successor));
    } catch (error) {
      if (!(error instanceof UpgradeFailed || error instanceof CannotListen)) throw error;
      if (!this.isDraining) this.log('error', `upgrade: ${error.message}: everything stays as it is`);
    }
    this.isUpgrading = false;
    this.successor = null;
  }

  private async handOver(successor: Successor): Promise<void> {
    if (this.isDraining) return; // it has been ended
    this.worker.post({ type: 'release' });
    this.api?.close();
    successor.go();
    try {
      await successor.hasSaid('serving');
    } catch (error) {
      if (!this.isDraining) await this.takeBack();
      throw error;
    }
    this.isDraining = true;
    this.program.manager.mainPid(successor.pid);
    successor.leave();
    this.log('info', `upgrade: process ${successor.pid} serves; this one ends with its last connection`);
    this.worker.post({ type: 'leave' });
  }

  private async takeBack(): Promise<void> {
    this.worker.post({ type: 'takeBack' });
    this.api = await this.openApi(this.settings);
  }

  // ── HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private async openApi({ apiAddress }: ProxySettings): Promise<HttpServer> {
    try {
      const api = await HttpServer.open(apiAddress, this.pages);
      this.log('info', `HTTP API on ${listenText({ host: apiAddress.host, port: api.port })}`);
      return api;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new CannotListen(`cannot listen on ${listenText(apiAddress)}: ${code}`);
    }
  }

  private readonly pages: Pages = {
    '/': () => text(200, 'OK'),
    '/update_clusters': async () => {
      const watches = [...this.watches.values()];
      await Promise.all(watches.map((watch) => watch.update()));
      const failed = watches.filter(({ failure }) => failure !== '');
      if (failed.length === 0) return text(200, 'OK');
      return text(502, failed.map(({ name, failure }) => `${name}: ${failure}\n`).join(''));
    },
    '/ready': () => {
      if (this.isDraining) return text(503, 'draining\n');
      const unknown = [...this.watches.values()].filter(({ members }) => members === null);
      if (unknown.length > 0)
        return text(503, `Patroni has not answered yet: ${unknown.map(({ name }) => name).join(', ')}\n`);
      return this.isServing ? text(200, 'OK') : text(503, 'starting\n');
    },
    '/clusters': async () => ({
      status: 200,
      contentType: 'application/json',
      body: clusterReport(
        this.settings.clusters,
        this.watches,
        await this.worker.snapshot(),
        performance.now(),
      ),
    }),
    '/metrics': async () => ({
      status: 200,
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: await metricsText(
        await this.worker.snapshot(),
        [...this.watches.values()],
        performance.now(),
        this.program.version,
      ),
    }),
  };

  // ── signals and the end ────────────────────────────────────────────────────────────────────────────────────────

  private listenToSignals(): void {
    process.on('SIGHUP', () => {
      if (this.isDraining) return;
      if (this.isUpgrading) return this.log('warn', 'SIGHUP: an upgrade is under way, ignored');
      this.log('info', 'SIGHUP: reading the configuration again');
      void this.inTurn(() => this.reload());
    });
    process.on('SIGUSR2', () => {
      if (this.isDraining || !this.isServing) return;
      if (this.isUpgrading) return this.log('warn', 'SIGUSR2: an upgrade is under way, ignored');
      if (process.pid === INIT) return this.log('error', 'SIGUSR2: a container ends with its first process');
      this.log('info', 'SIGUSR2: the program on disk is started');
      void this.upgrade();
    });
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => this.drain(name));
  }

  /** The second time it does not wait. */
  private drain(signal: string): void {
    if (this.isDraining || !this.isServing) {
      this.log('info', `${signal}: stopping at once`);
      return this.worker.post({ type: 'stop' });
    }
    this.isDraining = true;
    this.successor?.end();
    const graceMs = this.settings.shutdownTimeoutMs;
    this.program.manager.stopping(graceMs);
    this.worker.post({ type: 'drain', by: signal, graceMs });
  }

  onMessage(message: ToControl): void {
    switch (message.type) {
      case 'started':
        return this.log('info', `I/O by ${message.backend}: ${message.why}`);
      case 'cannotStart':
        this.log('error', `cannot start: ${message.why}`);
        return this.finish(1);
      case 'log':
        return this.log(message.level, message.text);
      case 'stopped':
        this.log('info', 'stopped');
        return this.finish(this.exitStatus);
      case 'applied': // the handle has taken them
      case 'snapshot':
      case 'listening':
        return;
    }
  }

  onDied(why: string): void {
    this.log('error', `the worker died: ${why}`);
    this.finish(1);
  }
}

/** A client that comes before Patroni has answered would be sent away; but nobody waits for ever. */
async function firstAnswers(watches: readonly ClusterWatch[]): Promise<void> {
  const all = Promise.all(watches.map((watch) => watch.update()));
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, FIRST_ANSWER_WAIT_MS))]);
}
