/** Binary upgrade: the program that is on disk now takes this one's place. It gets the listening sockets, and new clients
 *  with them; connections that there are stay here until they end. Both sides of it:
 *
 *      old: start ────────────────▶ release ──▶ wait ───────────▶ leave
 *      new:       load, ask Patroni ──ready──▶ go ──▶ listen ──serving──▶
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { commandArguments, invocation } from '../program/invocation.js';
import { closeOnExec, type Fd } from '../reactor/libc.js';
import type { OpenListener } from './relay/thread-messages.js';

/** Set for the program that is to take this one's place: what it listens on. */
const SUCCESSOR_VARIABLE = 'PATRONI_PROXY_SUCCESSOR';
/** Behind the standard streams and the channel. */
const FIRST_FD = 4;
const CHECK_TIMEOUT_MS = 30_000;
const START_TIMEOUT_MS = 60_000;

/** This process goes on as if nobody had asked. The message says why. */
export class UpgradeFailed extends Error {
  override readonly name = 'UpgradeFailed';
}

/** The new process, as the old one sees it. */
export class Successor {
  private readonly child: ChildProcess;
  private readonly said: string[] = [];
  private ended = '';
  private look: () => void = () => undefined;

  private constructor(child: ChildProcess) {
    this.child = child;
    child.on('message', (word) => {
      this.said.push(String(word));
      this.look();
    });
    const ends = (how: unknown): void => {
      this.ended = String(how);
      this.look();
    };
    child.on('error', ends);
    child.on('exit', (status, signal) => ends(signal ?? `exit status ${status}`));
  }

  /** Starts it, once it has accepted its configuration. Throws UpgradeFailed. */
  static async start(listeners: readonly OpenListener[]): Promise<Successor> {
    const [program, ...before] = invocation;
    const rest = [...before, ...commandArguments];
    try {
      // It may be deaf to anything less.
      const options = { timeout: CHECK_TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
      await promisify(execFile)(program, [...rest, '--test-config'], options);
    } catch (error) {
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
      throw new UpgradeFailed(`the new program does not accept its configuration: ${said || error}`);
    }
    const child = spawn(program, rest, {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...listeners.map(({ listening }) => listening.fd)],
      env: { ...process.env, [SUCCESSOR_VARIABLE]: JSON.stringify(listeners) },
    });
    return new Successor(child);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Returns when it has said so. Throws UpgradeFailed; it has ended then. */
  async hasSaid(word: 'ready' | 'serving'): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), START_TIMEOUT_MS);
    await new Promise<void>((resolve) => {
      this.look = () => {
        if (this.ended !== '' || this.said.includes(word)) resolve();
      };
      this.look();
    });
    clearTimeout(timer);
    if (!this.said.includes(word)) throw new UpgradeFailed(`the new process has ended (${this.ended})`);
  }

  /** It may listen. */
  go(): void {
    this.child.send('go', () => undefined);
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  /** It needs nothing more of this process. */
  leave(): void {
    if (this.child.connected) this.child.disconnect();
    this.child.unref();
  }
}

/** The old process, as the new one sees it. */
export class Predecessor {
  /** What the worker is to begin with. */
  readonly listeners: readonly OpenListener[];

  private constructor(listeners: readonly OpenListener[]) {
    this.listeners = listeners;
  }

  /** null: this process takes nobody's place. */
  static find(environment: NodeJS.ProcessEnv): Predecessor | null {
    const text = environment[SUCCESSOR_VARIABLE];
    delete environment[SUCCESSOR_VARIABLE]; // not for what this one starts
    if (text === undefined) return null;
    const listeners: OpenListener[] = JSON.parse(text);
    return new Predecessor(
      listeners.map(({ key, listening }, at) => {
        closeOnExec((FIRST_FD + at) as Fd);
        return { key, listening: { ...listening, fd: FIRST_FD + at } };
      }),
    );
  }

  /** Returns when the old process listens no more, or is gone. */
  async handsOver(): Promise<void> {
    const told = new Promise<void>((resolve) => {
      process.once('message', () => resolve());
      process.once('disconnect', resolve);
    });
    this.say('ready');
    await told;
  }

  serving(): void {
    this.say('serving');
  }

  private say(word: 'ready' | 'serving'): void {
    process.send?.(word, undefined, undefined, () => undefined);
  }
}
