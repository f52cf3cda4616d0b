/** One pooler as a running process, with a directory, a port and a log of its own. It is started again when it has died,
 *  so that one bad case does not spoil the next. */

import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Children } from './children.js';
import { configurationOf } from './configurations.js';
import { ConnectionFailed, ProgramFailed } from './errors.js';
import type { Options } from './options.js';
import { type Contestant, commandOf } from './peers.js';
import { freePort } from './ports.js';
import { DATABASE, type Postgres, USER } from './postgres.js';
import { type Address, RawConnection } from './raw-connection.js';
import { giveTo, type RunAs } from './unprivileged-user.js';
import { sleep } from './wait.js';

const START_TIMEOUT_MS = 15_000;
const ANSWER_TIMEOUT_MS = 5_000;

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

  /** `nodeOptions` are for ours, which Node.js runs. */
  constructor(
    private readonly around: Surroundings,
    readonly contestant: Contestant,
    private readonly nodeOptions: readonly string[] = [],
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
    const [file, ...args] = commandOf(this.contestant);
    // Ours runs wherever its files can be read: as the user of the benchmark.
    const runAs = this.contestant.kind === 'ours' ? {} : this.around.runAs;
    this.child = this.around.children.start(file, [...this.nodeOptions, ...args, this.writeFiles(runAs)], {
      ...runAs,
      cwd: this.directory,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      logFile: this.logFile,
    });
    await this.untilItAnswers();
  }

  /** Ends it. */
  async stop(): Promise<void> {
    if (this.child !== null) await this.around.children.end(this.child);
    this.child = null;
  }

  /** What it has written since its first start. */
  log(): string {
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
      postgresPort: postgres.port,
      poolSize: options.poolSize,
      workers: options.workers,
    };
    const paths = configurationOf(this.contestant, settings, this.directory).map(({ name, text }) => {
      const path = join(this.directory, name);
      writeFileSync(path, text);
      giveTo(runAs, path);
      return path;
    });
    return paths[0] ?? '';
  }

  private async untilItAnswers(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const { pid } = this; // throws as soon as it has ended
      try {
        const connection = await RawConnection.open(this.address, ANSWER_TIMEOUT_MS);
        await connection.query('SELECT 1', ANSWER_TIMEOUT_MS);
        connection.close();
        return;
      } catch (error) {
        if (!(error instanceof ConnectionFailed) || Date.now() > deadline)
          throw new ProgramFailed(this.name, `(process ${pid}) does not answer: ${error}`, this.log());
        await sleep(100);
      }
    }
  }
}
