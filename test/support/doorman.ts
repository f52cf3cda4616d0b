/** pg_doorman as operators run it: the compiled command with a configuration file, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { stringify } from 'yaml';
import { endWithFile } from './leftovers.js';

export const COMMAND = fileURLToPath(new URL('../../dist/cli/pg_doorman.js', import.meta.url));
/** What starts it: the compiled command, or the single executable that the run is about. */
export const PROGRAM: readonly string[] =
  process.env.PG_DOORMAN_TEST_EXECUTABLE === undefined
    ? [process.execPath, COMMAND]
    : [process.env.PG_DOORMAN_TEST_EXECUTABLE];
export const ADMIN_PASSWORD = 'admin of the tests';
const TRUST = 'local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n';

const FILE = 'pg_doorman.yaml';

/** A section of the file, as it is written there. */
export type Section = Record<string, unknown>;

/** For tests under load: of the trace of every message so much comes that lines which somebody waits for are lost. */
export const UNTRACED: readonly string[] = ['--log-level', 'info'];

export interface DoormanOptions {
  readonly general?: Section;
  readonly pools: Record<string, Section>;
  readonly prometheus?: Section;
  /** A command that starts what its arguments say, under limits. */
  readonly under?: readonly string[];
  /** What starts it, if it is not PROGRAM. */
  readonly program?: readonly string[];
  /** More of the command line, and of the environment. */
  readonly args?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

export class Doorman {
  readonly port: number;
  readonly directory: string;
  private readonly child: ChildProcess;
  private readonly output: Output;
  /** Of the process that serves: another one after an upgrade. */
  private servingPid: number;

  private constructor(port: number, directory: string, child: ChildProcess, output: Output) {
    this.port = port;
    this.directory = directory;
    this.child = child;
    this.output = output;
    this.servingPid = child.pid ?? 0;
  }

  /** Starts it on a free port; returns when it listens. The backend is the one that the run is about. */
  static async start({
    general = {},
    pools,
    prometheus,
    under = [],
    program = PROGRAM,
    args = [],
    environment = {},
  }: DoormanOptions): Promise<Doorman> {
    const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-'));
    const file = join(directory, FILE);
    writeFileSync(file, fileText({ general, pools, ...(prometheus !== undefined && { prometheus }) }), {
      mode: 0o600,
    });
    const command = [...under, ...program, '--log-level', 'debug', ...args, file];
    const child = spawn(command[0] ?? '', command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    child.once(
      'exit',
      endWithFile(() => child.kill('SIGKILL')),
    );
    const output = new Output(child);
    const [, port] = await output.find(/listening on .*:(\d+), pg_doorman/);
    return new Doorman(Number(port), directory, child, output);
  }

  /** What it reads at RELOAD from now on; never half of it. */
  rewrite(options: DoormanOptions): void {
    const next = `${this.file}.next`;
    writeFileSync(next, fileText(options), { mode: 0o600 });
    renameSync(next, this.file);
  }

  get file(): string {
    return join(this.directory, FILE);
  }

  get pid(): number {
    return this.servingPid;
  }

  /** Has it replaced; returns when the new process serves, the old one may still have clients. */
  async upgrade(signal: NodeJS.Signals = 'SIGUSR2'): Promise<void> {
    const from = this.log.length;
    this.signal(signal);
    await this.replaced(from);
  }

  /** Returns when another process serves. Throws when the log says from here on that none will. */
  async replaced(from = 0): Promise<void> {
    const outcome = new RegExp(
      `process (\\d+) serves in place of ${this.servingPid};|nothing has changed[^]*`,
    );
    const [text, pid] = await this.output.find(outcome, from).catch((error: unknown) => {
      // A process that was to take over and is known to nobody would keep the run waiting for its output.
      for (const [, each] of this.log.slice(from).matchAll(/, pid (\d+)$/gm))
        endWithFile(() => kill(Number(each), 'SIGKILL'));
      throw error;
    });
    if (pid === undefined) throw new Error(text);
    this.serves(Number(pid));
    endWithFile(() => kill(Number(pid), 'SIGKILL'));
  }

  /** From now on it is the process of this pid that is meant. */
  serves(pid: number): void {
    this.servingPid = pid;
  }

  /** Returns when the process that had this pid has ended, and the one that serves knows. */
  async isReplaced(pid: number): Promise<void> {
    await this.output.find(new RegExp(`upgrade: process ${pid} has ended`));
  }

  /** All that it has logged until now. */
  get log(): string {
    return this.output.text;
  }

  /** What it has logged since the last time, which is forgotten: for long runs. */
  takeLog(): string {
    const { text } = this.output;
    this.output.text = '';
    return text;
  }

  /** Returns when a line of the log matches, one that is there already counts. Throws when the process ends first. */
  logged(pattern: RegExp): Promise<RegExpExecArray> {
    return this.output.find(pattern);
  }

  /** Nobody reads its log until the returned function is called. */
  holdLog(): () => void {
    this.child.stdout?.pause();
    return () => this.child.stdout?.resume();
  }

  client(user: string, database: string, more: pg.ClientConfig = {}): pg.Client {
    return new pg.Client({ host: '127.0.0.1', port: this.port, user, database, ...more });
  }

  /** The rows that the admin console answers with. */
  async admin(command: string): Promise<Record<string, string>[]> {
    const client = this.client('admin', 'pgdoorman', { password: ADMIN_PASSWORD });
    client.on('error', () => undefined); // SHUTDOWN ends it
    await client.connect();
    try {
      return (await client.query<Record<string, string>>(command)).rows;
    } finally {
      await client.end();
    }
  }

  signal(name: NodeJS.Signals): void {
    kill(this.servingPid, name);
  }

  /** Returns its exit status. */
  async ended(): Promise<number | null> {
    if (this.servingPid !== this.child.pid) {
      await this.output.closed();
      return / stopped \[/.test(this.log) ? 0 : 1;
    }
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  /** Ends it, and fails when it did not end in good order or has logged a bug. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    const status = await this.ended();
    rmSync(this.directory, { recursive: true, force: true });
    if (status !== 0) throw new Error(`pg_doorman ended with ${status}:\n${this.log}`);
    if (/\bbug\b/i.test(this.log)) throw new Error(`pg_doorman has logged a bug:\n${this.log}`);
  }
}

function fileText({ general = {}, pools, prometheus }: DoormanOptions): string {
  return stringify({
    general: {
      host: '127.0.0.1',
      port: 0,
      io_backend: process.env.PG_DOORMAN_TEST_IO_BACKEND ?? 'auto',
      admin_password: ADMIN_PASSWORD,
      pg_hba: TRUST,
      worker_threads: Number(process.env.PG_DOORMAN_TEST_WORKERS ?? 1),
      worker_fill_percent: 0,
      ...general,
    },
    pools,
    ...(prometheus !== undefined && { prometheus }),
  });
}

/** It may have ended meanwhile. */
export function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** What has not been said by then is never said: a failure instead of a test that hangs. */
const LOGGED_WITHIN_MS = 60_000;

/** What a process writes, and who waits for it. */
export class Output {
  text = '';
  private readonly waiting = new Set<() => void>();
  private hasEnded = false;

  constructor(child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.text += chunk;
        this.look();
      });
    }
    child.on('close', () => {
      this.hasEnded = true;
      this.look();
    });
  }

  /** `from`: where in the text to begin. */
  find(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(from === 0 ? this.text : this.text.slice(from));
        if (found !== null) resolve(found);
        else if (this.hasEnded) reject(new Error(`it ended without logging ${pattern}:\n${this.text}`));
        else return;
        this.waiting.delete(look);
        clearTimeout(timer);
      };
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        reject(new Error(`it has not logged ${pattern}:\n${this.text}`));
      }, LOGGED_WITHIN_MS);
      this.waiting.add(look);
      look();
    });
  }

  /** Returns when nobody can write any more: the process and those that went on in its place have ended. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.hasEnded) resolve();
      };
      this.waiting.add(look);
      look();
    });
  }

  private look(): void {
    for (const each of this.waiting) each();
  }
}
