/** One pooler as a running process, with a directory, a port and a log of its own. It is started again when it has died,
 *  so that one bad case does not spoil the next. */

import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Children } from './children.js';
import { configurationOf } from './configurations.js';
import { ConnectionFailed, ProgramFailed } from './errors.js';
import type { Options } from './options.js';
import type { Contestant } from './peers.js';
import { freePort } from './ports.js';
import { DATABASE, type Postgres, USER } from './postgres.js';
import { type Address, RawConnection } from './raw-connection.js';
import { giveTo, type RunAs } from './unprivileged-user.js';

const START_TIMEOUT_MS = 15_000;
/** Room for clients beside those of a scenario. */
const SPARE_CLIENTS = 100;

/** What a pooler needs around itself. */
export interface Surroundings {
  readonly children: Children;
  readonly options: Options;
  readonly postgres: Postgres;
  readonly directory: string;
  readonly runAs: RunAs;
}

export class Pooler {
  readonly name: string;
  private child: ChildProcess | null = null;
  private port = 0;
  private readonly directory: string;
  private readonly logFile: string;

  constructor(
    private readonly around: Surroundings,
    readonly contestant: Contestant,
  ) {
    this.name = contestant.name;
    this.directory = join(around.directory, contestant.name);
    this.logFile = join(around.directory, `${contestant.name}.log`);
  }

  get address(): Address {
    return { port: this.port, user: USER, database: DATABASE };
  }

  /** Throws ProgramFailed when it is not running. */
  get pid(): number {
    const pid = this.isRunning() ? this.child?.pid : undefined;
    if (pid === undefined) throw new ProgramFailed(this.name, 'is not running', this.log());
    return pid;
  }

  /** Starts it unless it runs, and returns when a query has gone through it. Throws ProgramFailed. */
  async ensureRunning(): Promise<void> {
    if (this.isRunning()) return;
    this.port = await freePort();
    const [file, ...args] = this.contestant.command;
    // Ours runs wherever its files can be read: as the user of the benchmark.
    const runAs = this.contestant.kind === 'ours' ? {} : this.around.runAs;
    const options = { ...runAs, cwd: this.directory, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
    this.child = this.around.children.start(file, [...args, this.writeFiles(runAs)], {
      ...options,
      logFile: this.logFile,
    });
    await this.untilItAnswers();
  }

  /** Ends it, and starts it as new. Throws ProgramFailed. */
  async restart(): Promise<void> {
    await this.stop();
    await this.ensureRunning();
  }

  /** Ends it. */
  async stop(): Promise<void> {
    if (this.child !== null) await this.around.children.end(this.child);
    this.child = null;
  }

  private log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  private isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Returns the path of the main file. */
  private writeFiles(runAs: RunAs): string {
    mkdirSync(this.directory, { recursive: true });
    giveTo(runAs, this.directory);
    const { options, postgres } = this.around;
    const settings = {
      port: this.port,
      postgresPort: postgres.address.port,
      poolSize: options.poolSize,
      workers: options.workers,
      maxClients: Math.max(options.idleClients, ...options.clients) + SPARE_CLIENTS,
    };
    const files = configurationOf(this.contestant, settings, this.directory);
    for (const [name, text] of files) writeFileSync(join(this.directory, name), text);
    const [mainFile = ''] = files.keys();
    return join(this.directory, mainFile);
  }

  private async untilItAnswers(): Promise<void> {
    try {
      // The getter throws as soon as the process has ended.
      const connection = await RawConnection.openWhenUp(this.address, START_TIMEOUT_MS, () => void this.pid);
      await connection.query('SELECT 1', START_TIMEOUT_MS);
      connection.close();
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error;
      throw new ProgramFailed(this.name, `does not answer: ${error.message}`, this.log());
    }
  }
}
