/** patroni_proxy as operators run it: the compiled command with a configuration file, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { kill, Output, type Section } from '../support/doorman.js';
import { endWithFile } from '../support/leftovers.js';
import { TcpClient } from './tcp-client.js';

export const PROXY_COMMAND = fileURLToPath(new URL('../../dist/cli/patroni_proxy.js', import.meta.url));

/** Never comes by itself within a test: updates are asked for. */
const HOUR_S = 3600;

export interface ClusterReport {
  readonly failure: string;
  readonly failovers: number;
  readonly ports: Record<
    string,
    {
      readonly listen: string;
      readonly backends: readonly { name: string; connections: number; excluded_by: string | null }[];
    }
  >;
}

export class ProxyProcess {
  readonly directory: string;
  private readonly file: string;
  private readonly child: ChildProcess;
  private readonly output: Output;
  private settings: Section;
  private apiPort = 0;
  private servingPid: number;

  private constructor(
    directory: string,
    settings: Section,
    command: readonly string[],
    environment: NodeJS.ProcessEnv,
  ) {
    this.directory = directory;
    this.file = join(directory, 'patroni_proxy.yaml');
    this.settings = settings;
    this.write({});
    const [program = '', ...args] = command;
    this.child = spawn(program, [...args, this.file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.child.once(
      'exit',
      endWithFile(() => this.child.kill('SIGKILL')),
    );
    this.servingPid = this.child.pid ?? 0;
    this.output = new Output(this.child);
  }

  /** Starts it with ports of its own choice unless the settings say others; returns when it serves. */
  static async start(
    settings: Section,
    args = ['--log-level', 'debug'],
    environment: NodeJS.ProcessEnv = {},
    program: readonly string[] = [process.execPath, PROXY_COMMAND],
  ): Promise<ProxyProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'patroni-proxy-'));
    const proxy = new ProxyProcess(
      directory,
      {
        cluster_update_interval: HOUR_S,
        listen_address: '127.0.0.1:0',
        io_backend: process.env.PG_DOORMAN_TEST_IO_BACKEND ?? 'auto',
        ...settings,
      },
      [...program, ...args],
      environment,
    );
    const [, port] = await proxy.logged(/HTTP API on .*:(\d+)/);
    proxy.apiPort = Number(port);
    await proxy.logged(/is serving/);
    return proxy;
  }

  get log(): string {
    return this.output.text;
  }

  logged(pattern: RegExp): Promise<RegExpExecArray> {
    return this.output.find(pattern);
  }

  /** GET of its HTTP API. */
  async get(path: string, init: RequestInit = {}): Promise<{ status: number; body: string }> {
    const answer = await fetch(`http://127.0.0.1:${this.apiPort}${path}`, init);
    return { status: answer.status, body: await answer.text() };
  }

  /** Has it ask Patroni now; what it answered is in force afterwards. */
  async update(): Promise<void> {
    const { status, body } = await this.get('/update_clusters');
    if (status !== 200) throw new Error(`GET /update_clusters: ${status} ${body}`);
  }

  /** What it says of a cluster. */
  async cluster(name = 'c'): Promise<ClusterReport> {
    const all: Record<string, ClusterReport> = JSON.parse((await this.get('/clusters')).body);
    const report = all[name];
    if (report === undefined) throw new Error(`there is no cluster ${name}`);
    return report;
  }

  /** Connections of each member at a port, by name; members that get no clients are left out. */
  async connections(port: string, cluster = 'c'): Promise<Record<string, number>> {
    const backends = (await this.cluster(cluster)).ports[port]?.backends ?? [];
    return Object.fromEntries(
      backends.filter((each) => each.excluded_by === null).map((each) => [each.name, each.connections]),
    );
  }

  /** The port of 127.0.0.1 that a port of the file has got. */
  async portOf(port: string, cluster = 'c'): Promise<number> {
    return Number((await this.cluster(cluster)).ports[port]?.listen.split(':').at(-1));
  }

  /** A client of a port of the file. */
  async connect(port: string, cluster = 'c'): Promise<TcpClient> {
    return TcpClient.connect(await this.portOf(port, cluster));
  }

  /** A client that has been greeted, and by whom. */
  async greeted(port: string, cluster = 'c'): Promise<{ client: TcpClient; by: string }> {
    const client = await this.connect(port, cluster);
    return { client, by: await client.line() };
  }

  /** Rewrites the file and sends SIGHUP; returns when that has been dealt with. */
  async reload(settings: Section | string): Promise<void> {
    if (typeof settings === 'string') writeFileSync(this.file, settings);
    else this.write(settings);
    const before = this.log.length;
    this.signal('SIGHUP');
    await this.logged(new RegExp(`^[^]{${before},}(in force|everything stays as it is)`));
  }

  /** Has another process take its place, and talks to that one from now on. Throws when the log says that none does. */
  async upgrade(): Promise<void> {
    const before = this.log.length;
    this.signal('SIGUSR2');
    const outcome = /upgrade: process (\d+) serves|upgrade: .*: everything stays as it is/s;
    const [text, pid] = await this.output.find(outcome, before);
    if (pid === undefined) throw new Error(text);
    this.servingPid = Number(pid);
    endWithFile(() => kill(Number(pid), 'SIGKILL'));
    this.apiPort = Number([...this.log.matchAll(/HTTP API on .*:(\d+)/g)].at(-1)?.[1]);
  }

  /** Of the process that serves. */
  signal(name: NodeJS.Signals): void {
    kill(this.servingPid, name);
  }

  /** Returns the exit status of the process that was started first. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  /** Returns when no process is left of all that there have been. */
  allEnded(): Promise<void> {
    return this.output.closed();
  }

  /** Ends it without waiting for clients, and fails when it did not end in good order or has logged a bug. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    this.signal('SIGINT');
    await this.allEnded();
    const status = await this.ended();
    rmSync(this.directory, { recursive: true, force: true });
    if (status !== 0) throw new Error(`patroni_proxy ended with ${status}:\n${this.log}`);
    if (/\bbug\b/i.test(this.log)) throw new Error(`patroni_proxy has logged a bug:\n${this.log}`);
  }

  /** Rewrites the file, with these settings in place of what was there. */
  write(changes: Section): void {
    this.settings = { ...this.settings, ...changes };
    writeFileSync(this.file, stringify(this.settings));
  }
}
