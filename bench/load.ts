/** Clients in processes of their own, which send query after query and count what each client gets. The same for every
 *  pooler, and light: whoever measures fairness must be fair. What they can do stands in load-messages.ts. */

import type { ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ChildOptions, Children } from './children.js';
import { NotPossible, ProgramFailed } from './errors.js';
import { Histogram } from './histogram.js';
import { type Failures, type FromLoad, monotonicMs, type ToLoad } from './load-messages.js';
import type { Address } from './messages.js';
import { descriptorLimitOf } from './process-usage.js';

type Answer<Type extends FromLoad['type']> = Extract<FromLoad, { readonly type: Type }>;

export interface Opening {
  readonly address: Address;
  /** For SCRAM, where it is asked for. */
  readonly password?: string;
  /** Their numbers, which no other client has had. */
  readonly clients: readonly number[];
  /** What all of them will send. */
  readonly sql: string;
  /** Logins at a time; all at once if it is not said. */
  readonly atOnce?: number;
  /** Whether each sends its query once, as soon as it is logged in, before it counts as there. */
  readonly asksOnce?: boolean;
  /** Whether each goes again then, and so none is left. */
  readonly thenLeaves?: boolean;
}

export interface Opened {
  /** The local ports of the clients that are there. */
  readonly ports: ReadonlyMap<number, number>;
  readonly failures: Failures;
}

export interface Recorded {
  readonly windows: readonly {
    /** Queries answered, by client. */
    readonly answers: ReadonlyMap<number, number>;
    /** From the query to the end of its answer. Microseconds. */
    readonly times: Histogram;
  }[];
  readonly failures: Failures;
  /** CPU time of the busiest process over the time: near 1 the load was what was measured. */
  readonly busy: number;
}

const OPEN_TIMEOUT_MS = 120_000;
const ANSWER_GRACE_MS = 30_000;
/** For messages to arrive before a recording begins. */
const RECORD_DELAY_MS = 30;
/** Descriptors of a process for everything but its clients. */
const SPARE_DESCRIPTORS = 200;

/** As many processes as may be clients without taking the cores from those who are measured. */
export function loadProcesses(): number {
  return Math.max(2, Math.min(8, availableParallelism() >> 1));
}

export class Load {
  private constructor(
    private readonly children: Children,
    private readonly processes: readonly ChildProcess[],
  ) {}

  static start(children: Children, processes: number): Load {
    const program = fileURLToPath(new URL('./load-process.ts', import.meta.url));
    const options: ChildOptions = {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    };
    return new Load(
      children,
      Array.from({ length: processes }, () =>
        children.start(process.execPath, [...process.execArgv, program], options),
      ),
    );
  }

  /** Resolves when all clients are there, have been there, or have failed. Throws NotPossible when there are too few descriptors. */
  async open({
    address,
    password = '',
    clients,
    sql,
    atOnce,
    asksOnce,
    thenLeaves,
  }: Opening): Promise<Opened> {
    const each = Math.ceil(clients.length / this.processes.length);
    if (each > descriptorLimitOf(process.pid) - SPARE_DESCRIPTORS)
      throw new NotPossible(`the limit of descriptors is too low for ${clients.length} clients`);
    const answers = await this.askAll('opened', OPEN_TIMEOUT_MS + ANSWER_GRACE_MS, (process) => ({
      type: 'open',
      address,
      password,
      clients: clients.filter((id) => id % this.processes.length === process),
      sql,
      atOnce: atOnce === undefined ? each : Math.ceil(atOnce / this.processes.length),
      asksOnce: asksOnce ?? false,
      thenLeaves: thenLeaves ?? false,
      timeoutMs: OPEN_TIMEOUT_MS,
    }));
    return {
      ports: new Map(answers.flatMap(({ ports }) => [...ports])),
      failures: together(answers),
    };
  }

  /** All that are there begin, and go on. */
  async run(): Promise<void> {
    await this.askAll('started', ANSWER_GRACE_MS, () => ({ type: 'start' }));
  }

  /** Counts the answers of clients that run, from now on. */
  async record(windowMs: number, windows: number): Promise<Recorded> {
    const beginsAtMs = monotonicMs() + RECORD_DELAY_MS;
    const answers = await this.askAll('recorded', windowMs * windows + ANSWER_GRACE_MS, () => ({
      type: 'record',
      beginsAtMs,
      windowMs,
      windows,
    }));
    return {
      windows: Array.from({ length: windows }, (_, at) => windowOf(answers, at)),
      failures: together(answers),
      busy: Math.max(...answers.map(({ busy }) => busy)),
    };
  }

  /** Resolves when these clients have got their answers and gone. */
  async close(clients: readonly number[]): Promise<void> {
    await this.askAll('closed', ANSWER_GRACE_MS, () => ({ type: 'close', clients }));
  }

  /** Ends the processes, and with them whoever is still there. */
  async end(): Promise<void> {
    await Promise.all(this.processes.map((process) => this.children.end(process)));
  }

  private askAll<Type extends FromLoad['type']>(
    type: Type,
    timeoutMs: number,
    command: (process: number) => ToLoad,
  ): Promise<Answer<Type>[]> {
    return Promise.all(this.processes.map((process, at) => answerOf(process, command(at), type, timeoutMs)));
  }
}

function windowOf(answers: readonly Answer<'recorded'>[], at: number): Recorded['windows'][number] {
  const times = new Histogram();
  const answersOf = new Map<number, number>();
  for (const { clients, windows } of answers) {
    const window = windows[at];
    if (window === undefined) continue;
    times.add(window.times);
    for (const [place, id] of clients.entries()) answersOf.set(id, window.answers[place] ?? 0);
  }
  return { answers: answersOf, times };
}

function together(answers: readonly { readonly failures: Failures }[]): Failures {
  return {
    count: answers.reduce((sum, { failures }) => sum + failures.count, 0),
    first: answers.find(({ failures }) => failures.first !== '')?.failures.first ?? '',
  };
}

/** Sends a command and waits for what answers it. */
function answerOf<Type extends FromLoad['type']>(
  process: ChildProcess,
  command: ToLoad,
  type: Type,
  timeoutMs: number,
): Promise<Answer<Type>> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => {
      settle();
      reject(new ProgramFailed('load process', what, ''));
    };
    const onExit = () => fail('has ended');
    const onMessage = (message: FromLoad) => {
      if (!isOf(message, type)) return fail(`answered ${message.type} to ${command.type}`);
      settle();
      resolve(message);
    };
    const timer = setTimeout(() => fail(`no answer to ${command.type}`), timeoutMs);
    const settle = () => {
      clearTimeout(timer);
      process.off('exit', onExit).off('message', onMessage);
    };
    process.once('exit', onExit).on('message', onMessage);
    process.send(command);
  });
}

function isOf<Type extends FromLoad['type']>(message: FromLoad, type: Type): message is Answer<Type> {
  return message.type === type;
}
