/** Every process that the benchmark starts, so that each is ended by its own id, whatever happens: at the end, after an
 *  error, on a signal, and when the benchmark itself is about to exit. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { ProgramFailed } from './errors.js';

export interface ChildOptions extends SpawnOptions {
  /** What asks this program to end. */
  readonly endSignal?: NodeJS.Signals;
  /** What ends it without a question, and everything that it started. */
  readonly killSignal?: NodeJS.Signals;
  /** A file for what it writes, so that nobody has to read a pipe while something is measured. */
  readonly logFile?: string;
}

interface Entry {
  readonly child: ChildProcess;
  readonly endSignal: NodeJS.Signals;
  readonly killSignal: NodeJS.Signals;
}

/** How long a program may take to end before it is killed. Milliseconds. */
const END_TIMEOUT_MS = 5_000;

export class Children {
  private readonly entries = new Map<ChildProcess, Entry>();

  constructor() {
    process.on('exit', () => this.killNow());
  }

  /** Starts a program. It gets a session of its own: Ctrl+C in the terminal reaches the benchmark only, which then
   *  ends its programs in order. */
  start(file: string, args: readonly string[], options: ChildOptions = {}): ChildProcess {
    const { endSignal = 'SIGTERM', killSignal = 'SIGKILL', logFile, ...rest } = options;
    const log = logFile === undefined ? null : openSync(logFile, 'a');
    const stdio: SpawnOptions = log === null ? {} : { stdio: ['ignore', log, log] };
    const child = spawn(file, args, { detached: true, ...rest, ...stdio });
    if (log !== null) closeSync(log);
    return this.adopt(child, endSignal, killSignal);
  }

  /** Looks after a process that was started elsewhere (fork). */
  adopt(
    child: ChildProcess,
    endSignal: NodeJS.Signals = 'SIGTERM',
    killSignal: NodeJS.Signals = 'SIGKILL',
  ): ChildProcess {
    this.entries.set(child, { child, endSignal, killSignal });
    child.once('exit', () => this.entries.delete(child));
    child.on('error', () => this.entries.delete(child));
    return child;
  }

  /** Runs a program to its end and returns what it wrote to stdout. `onErrorLine` sees each line of stderr.
   *  Throws ProgramFailed when it fails or takes longer than `timeoutMs`. */
  async run(
    file: string,
    args: readonly string[],
    timeoutMs: number,
    options: ChildOptions = {},
    onErrorLine: (line: string) => void = () => {},
  ): Promise<string> {
    const child = this.start(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    let unfinishedLine = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
      const lines = (unfinishedLine + text).split('\n');
      unfinishedLine = lines.pop() ?? '';
      for (const line of lines) onErrorLine(line);
    });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    const code = await exitCodeOf(child).finally(() => clearTimeout(timer));
    if (timedOut) throw new ProgramFailed(file, `not finished after ${timeoutMs / 1000} s`, errors);
    if (code !== 0) throw new ProgramFailed(file, `ended with ${code}`, errors);
    return output;
  }

  /** Asks a program to end, kills it when it does not, and returns when it is gone. */
  async end(child: ChildProcess): Promise<void> {
    const entry = this.entries.get(child);
    if (entry === undefined) return;
    const gone = once(child, 'exit');
    child.kill(entry.endSignal);
    const timer = setTimeout(() => child.kill(entry.killSignal), END_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }

  /** Ends all, the latest first: poolers before the PostgreSQL that they use. */
  async endAll(): Promise<void> {
    for (const { child } of [...this.entries.values()].reverse()) await this.end(child);
  }

  private killNow(): void {
    for (const { child, killSignal } of this.entries.values()) child.kill(killSignal);
  }
}

/** The exit code, or the signal's name; rejects when the program could not be started. */
function exitCodeOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new ProgramFailed(child.spawnfile, 'cannot be started', error.message)),
    );
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'no exit code'));
  });
}
