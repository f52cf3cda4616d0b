/** pgbench through the chain: TPC-B's transactions. Its clients give up with their connection; then it begins anew. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const ADDRESS = ['-h', '127.0.0.1', '-U', 'postgres'];
const CLIENTS = 4;
const TRANSACTIONS_PER_SECOND = 100;
const LONGER_THAN_ANY_RUN_S = 3600;
/** It tells once a second what it has done: pauses are known to this. */
const PROGRESS_MS = 1000;
const AGAIN_MS = 100;

export class PgbenchLoad {
  /** Without a transaction, the longest time since `forget`. */
  longestPauseMs = 0;
  /** How often it has been started again since `forget`. */
  restarts = 0;
  private lastMs = performance.now();
  private isOver = false;
  private child: ChildProcess | null = null;
  private readonly running: Promise<void>;

  constructor(port: number) {
    this.running = this.run(port);
  }

  /** Makes its tables, on a host by its address. */
  static prepare(host: string, port: number): void {
    const args = ['-i', '-q', '-h', host, '-U', 'postgres', '-p', String(port), 'postgres'];
    const { status, stderr } = spawnSync('pgbench', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`pgbench -i: ${stderr}`);
  }

  forget(): void {
    this.longestPauseMs = 0;
    this.restarts = 0;
  }

  get silentMs(): number {
    return Math.max(0, performance.now() - this.lastMs - PROGRESS_MS);
  }

  async end(): Promise<void> {
    this.isOver = true;
    this.child?.kill();
    await this.running;
  }

  private async run(port: number): Promise<void> {
    const pace = ['-c', String(CLIENTS), '-R', String(TRANSACTIONS_PER_SECOND)];
    const time = ['-T', String(LONGER_THAN_ANY_RUN_S), '-P', String(PROGRESS_MS / 1000)];
    while (!this.isOver) {
      const child = spawn('pgbench', ['-n', ...pace, ...time, ...ADDRESS, '-p', String(port), 'postgres'], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      this.child = child;
      const gone = once(child, 'exit');
      for await (const line of createInterface(child.stderr)) this.told(line, child);
      await gone;
      this.restarts++;
      await sleep(AGAIN_MS);
    }
  }

  private told(line: string, child: ChildProcess): void {
    const tps = /^progress: [\d.]+ s, ([\d.]+) tps/.exec(line)?.[1];
    if (tps !== undefined) {
      if (Number(tps) > 0) this.answered();
    } else if (/ aborted/.test(line)) child.kill(); // the clients that are left would not be as many
  }

  private answered(): void {
    this.longestPauseMs = Math.max(this.longestPauseMs, this.silentMs);
    this.lastMs = performance.now();
  }
}
