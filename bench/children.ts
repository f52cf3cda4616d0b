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
  /** Hears what `run` reads from stderr, as it comes. */
  readonly onErrorText?: (text: string) => void;
}

interface Signals {
  readonly endSignal: NodeJS.Signals;
  readonly killSignal: NodeJS.Signals;
}

/** How long a program may take to end before it is killed. Milliseconds. */
const END_TIMEOUT_MS = 5_000;

export class Children {
  private readonly running = new Map<ChildProcess, Signals>();
  private ending = false;

  constructor() {
    process.on('exit', () => {
      for (const [child, { killSignal }] of this.running) child.kill(killSignal);
    });
  }

  /** True as soon as endAll was called: nothing is started any more. */
  get isEnding(): boolean {
    return this.ending;
  }

  /** Starts a program. It gets a session of its own: Ctrl+C in the terminal reaches the benchmark only, which then
   *  ends its programs in order. Throws ProgramFailed after endAll; a program that does not exist has no pid. */
  start(file: string, args: readonly string[], options: ChildOptions = {}): ChildProcess {
    if (this.ending) throw new ProgramFailed(file, 'not started: the benchmark ends', '');
    const { endSignal = 'SIGTERM', killSignal = 'SIGKILL', logFile, onErrorText: _, ...rest } = options;
    const log = logFile === undefined ? null : openSync(logFile, 'a');
    const stdio: SpawnOptions = log === null ? {} : { stdio: ['ignore', log, log] };
    const child = spawn(file, args, { detached: true, ...rest, ...stdio });
    if (log !== null) closeSync(log);
    this.running.set(child, { endSignal, killSignal });
    child.once('exit', () => this.running.delete(child));
    child.on('error', () => this.running.delete(child));
    return child;
  }

  /** Runs a program to its end and returns what it wrote to stdout. Throws ProgramFailed when it fails or takes longer
   *  than `timeoutMs`. */
  async run(file: string, args: readonly string[], timeoutMs: number, options: ChildOptions = {}) {
    const child = this.start(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
      options.onErrorText?.(text);
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
    const signals = this.running.get(child);
    if (signals === undefined) return;
    const gone = once(child, 'exit');
    child.kill(signals.endSignal);
    const timer = setTimeout(() => child.kill(signals.killSignal), END_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }

  /** Ends all, the latest first: poolers before the PostgreSQL that they use. */
  async endAll(): Promise<void> {
    this.ending = true;
    for (const child of [...this.running.keys()].reverse()) await this.end(child);
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
