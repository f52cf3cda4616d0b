/** One pooler as a running process, or several on one port, with a directory, a port and a log of its own. It is started
 *  again when it has died, so that one bad case does not spoil the next. */

import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Children } from './children.js';
import { configurationOf, type PoolerSetup, PROBE_ADDRESS } from './configurations.js';
import { ConnectionFailed, ProgramFailed } from './errors.js';
import type { Address } from './messages.js';
import type { Contestant } from './peers.js';
import { freePort, listenersOn } from './ports.js';
import { DATABASE, USER } from './postgres.js';
import { type CpuTime, cpuTimeOf, forgetPeakOf, peakBytesOf } from './process-usage.js';
import { RawConnection } from './raw-connection.js';
import { giveTo, type RunAs } from './unprivileged-user.js';

const START_TIMEOUT_MS = 15_000;
const LISTEN_STEP_MS = 20;

/** What a pooler needs around itself. */
export interface Surroundings {
  readonly children: Children;
  readonly directory: string;
  readonly runAs: RunAs;
}

export class Pooler {
  readonly name: string;
  private processes: ChildProcess[] = [];
  private port = 0;
  private readonly directory: string;
  private readonly logFile: string;

  constructor(
    private readonly around: Surroundings,
    readonly contestant: Contestant,
    readonly setup: PoolerSetup,
  ) {
    this.name = contestant.name;
    this.directory = join(around.directory, contestant.name);
    this.logFile = join(around.directory, `${contestant.name}.log`);
  }

  get address(): Address {
    return { port: this.port, user: USER, database: DATABASE };
  }

  /** Of its first process. Throws ProgramFailed when it is not running. */
  get pid(): number {
    const [pid = 0] = this.pids;
    return pid;
  }

  /** CPU time of all its processes since they began. Throws ProgramFailed. */
  cpuTime(): CpuTime {
    const times = this.pids.map(cpuTimeOf);
    const sum = (part: keyof CpuTime) => times.reduce((total, time) => total + time[part], 0);
    return { user: sum('user'), system: sum('system') };
  }

  /** The most bytes that each of its processes had resident, together. Throws ProgramFailed. */
  peakBytes(): number {
    return this.pids.reduce((total, pid) => total + peakBytesOf(pid), 0);
  }

  /** Lets the peak begin anew. Throws ProgramFailed. */
  forgetPeak(): void {
    for (const pid of this.pids) forgetPeakOf(pid);
  }

  /** Starts it unless it runs, and returns when a query has gone through it. Throws ProgramFailed. */
  async ensureRunning(): Promise<void> {
    if (this.isRunning()) return;
    await this.stop();
    this.port = await freePort();
    const [file, ...args] = this.contestant.command;
    // Ours runs wherever its files can be read: as the user of the benchmark.
    const isOurs = ['ours', 'patroni_proxy'].includes(this.contestant.kind);
    const runAs = isOurs ? {} : this.around.runAs;
    const options = { ...runAs, cwd: this.directory, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
    const mainFile = this.writeFiles(runAs);
    this.processes = Array.from({ length: this.contestant.processes }, () =>
      this.around.children.start(file, [...args, mainFile], { ...options, logFile: this.logFile }),
    );
    await this.untilItAnswers();
  }

  /** Ends it, and starts it as new. Throws ProgramFailed. */
  async restart(): Promise<void> {
    await this.stop();
    await this.ensureRunning();
  }

  /** Ends it. */
  async stop(): Promise<void> {
    await Promise.all(this.processes.map((child) => this.around.children.end(child)));
    this.processes = [];
  }

  private log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  private get pids(): readonly number[] {
    const pids = this.isRunning() ? this.processes.flatMap(({ pid }) => pid ?? []) : [];
    if (pids.length === 0) throw new ProgramFailed(this.name, 'is not running', this.log());
    return pids;
  }

  private isRunning(): boolean {
    const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;
    return this.processes.length > 0 && this.processes.every(isAlive);
  }

  /** Returns the path of the main file. */
  private writeFiles(runAs: RunAs): string {
    mkdirSync(this.directory, { recursive: true });
    giveTo(runAs, this.directory);
    const settings = { ...this.setup, port: this.port };
    const files = configurationOf(this.contestant, settings, this.directory);
    for (const [name, text] of files) {
      const file = join(this.directory, name);
      writeFileSync(file, text, { mode: 0o600 });
      giveTo(runAs, file);
    }
    const [mainFile = ''] = files.keys();
    return join(this.directory, mainFile);
  }

  private async untilItAnswers(): Promise<void> {
    try {
      // The getter throws as soon as the process has ended.
      const from = this.setup.verifier === '' ? undefined : PROBE_ADDRESS;
      const isRunning = () => void this.pid;
      const connection = await RawConnection.openWhenUp(this.address, START_TIMEOUT_MS, isRunning, from);
      await connection.query('SELECT 1', START_TIMEOUT_MS);
      connection.close();
      const deadline = Date.now() + START_TIMEOUT_MS;
      while (listenersOn(this.port) < this.contestant.processes) {
        if (Date.now() > deadline) throw new ConnectionFailed('not all of its processes listen');
        await sleep(LISTEN_STEP_MS);
      }
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error;
      throw new ProgramFailed(this.name, `does not answer: ${error.message}`, this.log());
    }
  }
}
