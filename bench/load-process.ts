/** A process that is many clients: the benchmark starts one or several, tells each by messages what to do, and gets back
 *  what every client was given and how long it waited. See load-messages.ts; the other end is load.ts. */

import { LoadClient, type LoadClientOwner } from './load-client.js';
import { type Failures, type FromLoad, monotonicMs, type ToLoad } from './load-messages.js';
import { Recording } from './load-recording.js';
import { queryMessage } from './messages.js';

type Command<Type extends ToLoad['type']> = Extract<ToLoad, { readonly type: Type }>;

/** An `open` under way. */
interface Opening {
  readonly command: Command<'open'>;
  /** Those that have not begun to connect. */
  readonly waiting: number[];
  readonly ports: Map<number, number>;
  readonly timer: NodeJS.Timeout;
  /** Those that are neither there nor have failed. */
  left: number;
}

class LoadProcess implements LoadClientOwner {
  private readonly clients = new Map<number, LoadClient>();
  private query = queryMessage('');
  private failures: Failures = NO_FAILURES;
  private opening: Opening | null = null;
  private recording: Recording | null = null;
  /** Those that were told to go and have not gone. */
  private leaving = 0;

  obey(command: ToLoad): void {
    switch (command.type) {
      case 'open':
        return this.open(command);
      case 'start':
        return this.start();
      case 'record':
        return this.record(command);
      case 'close':
        return this.close(command);
    }
  }

  onReady(client: LoadClient, error: string): void {
    const { stage, place, sentAtMs } = client;
    client.sentAtMs = 0;
    if (error !== '') this.failed(error);
    else if (sentAtMs > 0 && place >= 0) this.recording?.answered(place, sentAtMs, performance.now());

    if (stage === 'running') client.ask(this.query);
    else if (stage === 'leaving') client.leave();
    else if (stage === 'loggingIn' && this.opening?.command.asksOnce === true) {
      client.stage = 'askingOnce';
      client.ask(this.query);
    } else if (this.opening?.command.thenLeaves === true) client.leave('departing');
    else {
      client.stage = 'idle';
      this.opening?.ports.set(client.id, client.localPort);
      this.settleOne();
    }
  }

  onClosed({ id, stage }: LoadClient, why: string): void {
    this.clients.delete(id);
    if (stage === 'leaving') {
      if (--this.leaving === 0) answer({ type: 'closed' });
      return;
    }
    if (stage === 'departing') return this.settleOne();
    this.failed(why);
    if (stage === 'loggingIn' || stage === 'askingOnce') this.settleOne();
  }

  private open(command: Command<'open'>): void {
    this.query = queryMessage(command.sql);
    const waiting = [...command.clients].reverse();
    const timer = setTimeout(() => this.giveUpOpening(), command.timeoutMs);
    this.opening = { command, waiting, ports: new Map(), timer, left: waiting.length };
    for (let begun = 0; begun < command.atOnce; begun++) this.connectNext(this.opening);
    if (waiting.length === 0 && this.opening.left === 0) this.opened(this.opening);
  }

  private connectNext({ command, waiting }: Opening): void {
    const id = waiting.pop();
    if (id === undefined) return;
    this.clients.set(id, new LoadClient(id, command.address, command.password, this));
  }

  private settleOne(): void {
    if (this.opening === null) return;
    this.opening.left--;
    this.connectNext(this.opening);
    if (this.opening.left === 0) this.opened(this.opening);
  }

  private opened({ ports, timer }: Opening): void {
    clearTimeout(timer);
    this.opening = null;
    answer({ type: 'opened', ports, failures: this.takeFailures() });
  }

  private giveUpOpening(): void {
    if (this.opening === null) return;
    const { command, waiting } = this.opening;
    const why = `not served within ${command.timeoutMs / 1000} s`;
    this.opening.left -= waiting.length;
    for (const _ of waiting.splice(0)) this.failed(why);
    for (const client of this.clients.values())
      if (client.stage === 'loggingIn' || client.stage === 'askingOnce') client.giveUp(why);
    if (this.opening.left === 0) this.opened(this.opening);
  }

  private start(): void {
    for (const client of this.clients.values()) {
      if (client.stage !== 'idle') continue;
      client.stage = 'running';
      client.ask(this.query);
    }
    answer({ type: 'started' });
  }

  private record({ beginsAtMs, windowMs, windows }: Command<'record'>): void {
    const clients = [...this.clients.values()];
    for (const [place, client] of clients.entries()) client.place = place;
    const toThisClock = performance.now() - monotonicMs();
    const recording = new Recording(beginsAtMs + toThisClock, windowMs, windows, clients.length);
    this.recording = recording;
    const began = { at: performance.now(), cpu: process.cpuUsage() };
    setTimeout(() => {
      const { user, system } = process.cpuUsage(began.cpu);
      const busy = (user + system) / 1000 / (performance.now() - began.at);
      this.recording = null;
      for (const { sentAtMs } of clients) if (sentAtMs > 0) recording.leftWaiting(sentAtMs);
      const ids = clients.map(({ id }) => id);
      const failures = this.takeFailures();
      answer({ type: 'recorded', clients: ids, windows: recording.windows, failures, busy });
    }, recording.endsAt - performance.now());
  }

  private close({ clients }: Command<'close'>): void {
    const leaving = clients.flatMap((id) => this.clients.get(id) ?? []);
    this.leaving = leaving.length;
    for (const client of leaving) client.leave();
    if (leaving.length === 0) answer({ type: 'closed' });
  }

  private failed(why: string): void {
    const { count, first } = this.failures;
    this.failures = { count: count + 1, first: count === 0 ? why : first };
  }

  private takeFailures(): Failures {
    const { failures } = this;
    this.failures = NO_FAILURES;
    return failures;
  }
}

const NO_FAILURES: Failures = { count: 0, first: '' };

function answer(message: FromLoad): void {
  process.send?.(message);
}

const load = new LoadProcess();
process.on('message', (command: ToLoad) => load.obey(command));
// The benchmark has gone.
process.on('disconnect', () => process.exit());
