/** A backend of PostgreSQL 18 for the simulator: one connection, from its StartupMessage on. It has no clock and no
 *  socket of its own. This file takes the bytes apart and decides when the backend runs; model-backend.ts is what runs. */
import type { Message } from '../support/messages.js';
import { AUTHENTICATION_OK, backendKeyData, noticeResponse, parameterStatus } from './model-answers.js';
import { Backend } from './model-backend.js';
import { Context } from './model-context.js';
import { MESSAGE, type Wait, type Waiting } from './model-coroutine.js';
import { FatalError, queryCanceled, type SqlError } from './model-error.js';
import { takeWholeMessages } from './model-framing.js';
import { Manners } from './model-manners.js';
import { Output } from './model-output.js';
import { Settings } from './model-settings.js';
import { takeStartup } from './model-startup.js';

/** What stands around a session: its frontend, the clock, and who is told of the frontend's faults. */
export interface SessionHost {
  /** What its version names it by. */
  readonly name?: string;
  /** Whole messages to the frontend. */
  send(bytes: Buffer): void;
  /** In virtual time. */
  after(ms: number, action: () => void): void;
  /** The backend ends the connection. */
  close(): void;
  /** The frontend has done what it must never do. */
  violation(what: string): void;
  /** Whether the frontend of these parameters may speak for this client. */
  mayServe?(client: string, startup: Readonly<Record<string, string>>): boolean;
}

export class ModelSession {
  private readonly host: SessionHost;
  private readonly processId: number;
  private readonly secret: Buffer;
  private readonly output: Output;
  /** Bytes that are no whole message yet. */
  private pending: Buffer = Buffer.alloc(0);
  private readonly unread: Message[] = [];
  /** null before the StartupMessage. */
  private context: Context | null = null;
  private backend: Backend | null = null;
  private running: Waiting<void> | null = null;
  private wait: Wait = MESSAGE;
  private signals: SqlError[] = [];
  private isRunning = false;
  private hasEnded = false;

  constructor(host: SessionHost, processId: number, secret: Buffer) {
    this.host = host;
    this.processId = processId;
    this.secret = secret;
    this.output = new Output((bytes) => host.send(bytes));
  }

  /** The status that ReadyForQuery would tell. */
  get status(): 'I' | 'T' | 'E' {
    return this.context?.transaction.status ?? 'I';
  }

  /** A query runs, or messages have not been read. */
  get isBusy(): boolean {
    const runs = this.isRunning || this.wait.type === 'sleep' || this.context?.isInCopy === true;
    return !this.hasEnded && (runs || this.unread.length + this.pending.length > 0);
  }

  /** Takes bytes of the frontend, cut anywhere. */
  receive(bytes: Buffer): void {
    if (this.hasEnded) return;
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    if (this.context === null) this.takeStartup();
    if (this.context !== null) this.takeMessages();
    this.proceed();
  }

  /** As a CancelRequest. */
  cancel(): void {
    if (this.wait.type === 'sleep') this.signal(queryCanceled());
    else if (this.context?.isInCopy) this.context.isCancelPending = true;
  }

  /** Something that nobody has asked for, while nothing is going on. */
  notice(text: string): void {
    if (this.context !== null && !this.isBusy) this.host.send(noticeResponse('WARNING', '01000', text));
  }

  /** As pg_terminate_backend(). */
  terminate(): void {
    if (this.running === null) this.end();
    else this.signal(new FatalError('57P01', 'terminating connection due to administrator command'));
  }

  /** What the next client would find; [] when clean. */
  leftovers(): string[] {
    return this.pending.length > 0 ? [...this.remains(), 'half a message'] : this.remains();
  }

  private remains(): string[] {
    const { context, backend } = this;
    if (context === null || this.hasEnded) return [];
    const { transaction, settings, statements, portals, listens } = context;
    if (this.isAsAtLogin(context)) return [];
    return [
      ...(transaction.isOpen ? ['an open transaction'] : []),
      ...(backend?.skipsToSync ? ['a batch without its Sync'] : []),
      ...(context.isInCopy ? ['COPY'] : []),
      ...settings.changed.map((name) => `${name} ${settings.shown(name)}`),
      ...statements.foreign.map((name) => `statement ${name}`),
      ...portals.held.map((name) => `cursor ${name}`),
      ...listens.channels.map((channel) => `LISTEN ${channel}`),
    ];
  }

  /** The answer that is mostly right, and soon found. */
  private isAsAtLogin({ transaction, settings, statements, portals, listens, isInCopy }: Context): boolean {
    if (transaction.isOpen || this.backend?.skipsToSync === true || isInCopy) return false;
    return settings.areInitial && !statements.hasForeign && portals.isEmpty && listens.isEmpty;
  }

  private takeStartup(): void {
    const startup = takeStartup(this.pending);
    if (startup.type === 'incomplete') return;
    this.pending = startup.rest;
    if (startup.type === 'violation') {
      this.host.violation(startup.what);
      this.end();
      return;
    }
    const settings = new Settings(startup.parameters);
    this.context = new Context(this.output, settings);
    const manners = new Manners(
      () => this.remains(),
      (what) => this.host.violation(what),
      (client) => this.host.mayServe?.(client, startup.parameters) ?? true,
    );
    this.output.put(AUTHENTICATION_OK);
    for (const [name, value] of settings.takeFirstReport(startup.parameters.user ?? '', this.host.name))
      this.output.put(parameterStatus(name, value));
    this.output.put(backendKeyData(this.processId, this.secret));
    this.backend = new Backend(this.context, manners);
    this.running = this.backend.run();
    this.step(() => this.running?.next(null));
  }

  private takeMessages(): void {
    const { messages, rest, violation } = takeWholeMessages(this.pending);
    this.unread.push(...messages);
    this.pending = rest;
    if (violation === '') return;
    this.host.violation(violation);
    this.signal(new FatalError('08P01', 'invalid message length'));
  }

  private signal(error: SqlError): void {
    this.signals.push(error);
    this.proceed();
  }

  /** Runs the backend for as long as there is what it waits for. */
  private proceed(): void {
    while (!this.isRunning && !this.hasEnded && this.running !== null) {
      const { running } = this;
      const signal = this.signals.shift();
      if (signal !== undefined) this.step(() => running.throw(signal));
      else if (this.wait.type === 'sleep') return;
      else {
        const message = this.unread.shift();
        if (message === undefined) return;
        this.step(() => running.next(message));
      }
    }
  }

  private step(resume: () => IteratorResult<Wait, void> | undefined): void {
    this.wait = MESSAGE;
    this.isRunning = true;
    const result = resume();
    this.isRunning = false;
    if (result === undefined || result.done === true) {
      this.end();
      return;
    }
    const wait = result.value;
    this.wait = wait;
    if (wait.type === 'sleep') this.host.after(wait.ms, () => this.wake(wait));
  }

  /** The time has gone by; unless the sleep was cancelled. */
  private wake(wait: Wait): void {
    const { running } = this;
    if (this.wait !== wait || this.hasEnded || running === null) return;
    this.step(() => running.next(null));
    this.proceed();
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.host.close();
  }
}
