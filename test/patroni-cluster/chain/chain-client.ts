/** A client as applications are: one statement after the other with a short pause, and when its connection has gone,
 *  another one at once. Keeps what it saw. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const PAUSE_MS = 50;
const AGAIN_MS = 20;
const CONNECT_LIMIT_MS = 5000;

export class ChainClient {
  /** Between two answers that were no errors, the longest time since `forget`. */
  longestPauseMs = 0;
  /** Errors of statements and of attempts to connect since `forget`, by SQLSTATE or what the system says. */
  readonly errors = new Map<string, number>();
  /** Nodes that it has lost a connection to since `forget`. */
  readonly lost: string[] = [];
  /** Where its last answer came from. */
  node = '';
  private lastAnswerMs = 0;
  private isOver = false;
  private client: pg.Client | null = null;
  private readonly running: Promise<void>;

  /** `sql` returns the node's address as `host`. */
  constructor(
    private readonly port: number,
    private readonly sql: string,
  ) {
    this.running = this.run();
  }

  forget(): void {
    this.longestPauseMs = 0;
    this.lastAnswerMs = performance.now();
    this.errors.clear();
    this.lost.length = 0;
  }

  /** How long it has had no answer. */
  get silentMs(): number {
    return performance.now() - this.lastAnswerMs;
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.running;
    await this.client?.end().catch(() => undefined);
  }

  private async run(): Promise<void> {
    while (!this.isOver) {
      try {
        this.client ??= await this.connect();
        this.answered(await this.client.query<{ host: string }>(this.sql));
        await sleep(PAUSE_MS);
      } catch (error) {
        this.failed(error);
        await sleep(AGAIN_MS);
      }
    }
  }

  private async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.port,
      user: 'postgres',
      database: 'postgres',
      connectionTimeoutMillis: CONNECT_LIMIT_MS,
    });
    client.on('error', () => undefined); // the next statement tells
    client.on('end', () => {
      if (this.client !== client) return;
      this.client = null;
      if (!this.isOver) this.lost.push(this.node);
    });
    await client.connect();
    return client;
  }

  private answered({ rows }: pg.QueryResult<{ host: string }>): void {
    const now = performance.now();
    this.longestPauseMs = Math.max(this.longestPauseMs, now - this.lastAnswerMs);
    this.lastAnswerMs = now;
    this.node = `node${rows[0]?.host.split('.').at(-1)}`;
  }

  private failed(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'connection closed';
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}
