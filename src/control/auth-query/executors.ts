/** The connections of one database over which auth_query is asked, pool_size of them at most: opened when somebody
 *  waits, kept, and opened again after a pause that grows when it did not work. Who asks waits for the next free one. */
import type { AuthQueryCounters } from './counters.js';
import type { QueryAnswer } from './credentials.js';
import type { ExecutorConnection } from './executor-connection.js';

/** Questions that may wait; the next is refused. */
const QUEUE_MAX = 10_000;
/** A question that has waited for so long is refused: who asked has hardly any time left to log in. Milliseconds. */
const WAIT_MAX_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const PAUSE_MAX_MS = 10_000;
/** A connection that was lost earlier was as good as none. Milliseconds. */
const SHORT_LIFE_MS = 1000;

/** There is no connection now. */
export class Unreachable extends Error {}

/** What a test sets. */
export interface ExecutorsContext {
  connect(): Promise<ExecutorConnection>;
  /** Milliseconds. */
  clock(): number;
  /** It did not work. */
  failed(why: string): void;
}

interface Question {
  readonly user: string;
  readonly sinceMs: number;
  resolve(answer: QueryAnswer): void;
  reject(error: unknown): void;
}

export class Executors {
  /** Whether there has ever been a connection. */
  isReady = false;
  private readonly context: ExecutorsContext;
  private readonly size: number;
  private readonly counters: AuthQueryCounters;
  private readonly questions: Question[] = [];
  private readonly idle: ExecutorConnection[] = [];
  /** When each was opened. */
  private readonly connections = new Map<ExecutorConnection, number>();
  private opening = 0;
  /** Attempts to connect since the last that worked, and why the last one did not. */
  private failures = 0;
  private failure = '';
  private restsUntilMs = 0;
  private isClosed = false;

  constructor(context: ExecutorsContext, size: number, counters: AuthQueryCounters) {
    this.context = context;
    this.size = size;
    this.counters = counters;
  }

  /** Opens the first connection before somebody waits, so that the log tells early what is wrong. */
  warm(): void {
    if (this.count === 0) void this.open();
  }

  /** Rejects with QueryFailed when PostgreSQL refuses the query, with another Error when it cannot be asked. */
  ask(user: string): Promise<QueryAnswer> {
    return new Promise((resolve, reject) => {
      if (this.questions.length >= QUEUE_MAX) return reject(new Unreachable('too many wait for it'));
      this.questions.push({ user, sinceMs: this.context.clock(), resolve, reject });
      this.work();
    });
  }

  /** Those who wait are refused; connections close, the busy ones when they are free. */
  close(): void {
    this.isClosed = true;
    for (const each of this.idle.splice(0)) this.drop(each);
    this.failure = 'auth_query has been changed';
    this.refuseAll(this.failure);
  }

  private work(): void {
    while (this.questions.length > 0) {
      const connection = this.idle.pop();
      if (connection === undefined) break;
      if (connection.isOpen) this.serveNext(connection);
      else this.lost(connection);
    }
    while (this.count < this.size && this.opening < this.questions.length && this.mayOpen) void this.open();
    if (this.count === 0) this.refuseAll(this.failure);
  }

  /** Those that are being opened included. */
  private get count(): number {
    return this.connections.size + this.opening;
  }

  private get mayOpen(): boolean {
    return !this.isClosed && this.context.clock() >= this.restsUntilMs;
  }

  private async open(): Promise<void> {
    this.opening++;
    try {
      const connection = await this.context.connect();
      this.isReady = true;
      this.failures = 0;
      this.connections.set(connection, this.context.clock());
      this.isFree(connection);
    } catch (error) {
      this.rest(`cannot connect: ${messageOf(error)}`);
    }
    this.opening--;
    this.work();
  }

  private rest(why: string): void {
    const pauseMs = Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 2 ** this.failures);
    this.failures++;
    this.restsUntilMs = this.context.clock() + pauseMs;
    this.failure = why;
    this.fails(why);
  }

  private isFree(connection: ExecutorConnection): void {
    if (!connection.isOpen) this.lost(connection);
    else if (this.isClosed) this.drop(connection);
    else this.idle.push(connection);
  }

  private lost(connection: ExecutorConnection): void {
    const ageMs = this.context.clock() - (this.connections.get(connection) ?? 0);
    this.connections.delete(connection);
    if (ageMs < SHORT_LIFE_MS) this.rest('a connection was lost as soon as it was there');
  }

  private serveNext(connection: ExecutorConnection): void {
    const question = this.questions.shift();
    if (question === undefined) return;
    if (this.context.clock() - question.sinceMs <= WAIT_MAX_MS) return void this.serve(connection, question);
    this.idle.push(connection);
    question.reject(new Unreachable('waited too long for it'));
  }

  private async serve(connection: ExecutorConnection, { user, resolve, reject }: Question): Promise<void> {
    this.counters.executorQueries++;
    try {
      resolve(await connection.ask(user));
    } catch (error) {
      this.fails(messageOf(error));
      reject(error);
    }
    this.isFree(connection);
    this.work();
  }

  private drop(connection: ExecutorConnection): void {
    this.connections.delete(connection);
    connection.close();
  }

  private fails(why: string): void {
    this.counters.executorErrors++;
    this.context.failed(why);
  }

  private refuseAll(why: string): void {
    for (const { reject } of this.questions.splice(0)) reject(new Unreachable(why));
  }
}

function messageOf(error: unknown): string {
  // The driver gathers what it met on the addresses of a host.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
