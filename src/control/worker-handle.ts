/** One worker as the control plane sees it: messages to and from a thread that has no event loop of its own, so that
 *  it must be woken to look. */
import type { MessagePort, Worker } from 'node:worker_threads';
import type {
  ExpiredServer,
  PoolCommand,
  StatementSnapshot,
  ToControl,
  ToWorker,
  WorkerSnapshot,
  WorkerStart,
} from '../pooler/thread-messages.js';
import { startThread } from '../program/parts.js';
import { type Fd, wake } from '../reactor/libc.js';

export interface WorkerEvents {
  onMessage(worker: number, message: ToControl): void;
  /** The thread has ended, though nobody told it to. */
  onDied(worker: number, why: string): void;
}

/** Serving queries allocates nothing, so there is no use for a large nursery; after many logins it would stay large. */
const YOUNG_GENERATION_MB = 1;

export class WorkerHandle {
  readonly index: number;
  private readonly worker: Worker;
  private readonly wakeFd: Fd;
  private readonly posted: Int32Array;
  private readonly requests = new Map<number, (answer: ToControl | null) => void>();
  private lastRequest = 0;
  private hasEnded = false;
  /** Why it is dying. */
  private why = '';

  constructor(start: WorkerStart, events: WorkerEvents) {
    this.index = start.index;
    this.wakeFd = start.wakeFd;
    this.posted = new Int32Array(start.posted);
    this.worker = startThread('pooler/worker-main', {
      workerData: start,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.worker.on('message', (message: ToControl) => {
      if (message.type === 'stopped') this.hasEnded = true;
      if (message.type === 'dying' || message.type === 'cannotStart') this.why = message.why;
      if (isAnswer(message)) this.answered(message.request, message);
      else events.onMessage(this.index, message);
    });
    this.worker.on('error', (error) => {
      this.why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    this.worker.on('exit', (code) => {
      const wasTold = this.hasEnded;
      this.hasEnded = true;
      for (const resolve of this.requests.values()) resolve(null);
      if (!wasTold) events.onDied(this.index, this.why === '' ? `exit status ${code}` : this.why);
    });
  }

  post(message: ToWorker, transferred: readonly MessagePort[] = []): void {
    if (this.hasEnded) return;
    Atomics.add(this.posted, 0, 1);
    this.worker.postMessage(message, transferred);
    wake(this.wakeFd);
  }

  /** Ends a thread that does not come round any more, wherever its code is. */
  end(why: string): void {
    this.why = why;
    void this.worker.terminate();
  }

  /** What there is in the worker now; null when it dies meanwhile. */
  async snapshot(): Promise<WorkerSnapshot | null> {
    const answer = await this.ask((request) => ({ type: 'snapshot', request }));
    return answer?.type === 'snapshot' ? answer.snapshot : null;
  }

  /** Its idle servers that are past their time. */
  async expired(): Promise<readonly ExpiredServer[]> {
    const answer = await this.ask((request) => ({ type: 'findExpired', request }));
    return answer?.type === 'expired' ? answer.servers : [];
  }

  /** Has something done to its pools of a database, null for all: see the message administer. */
  async administer(command: PoolCommand, database: string | null): Promise<number> {
    return countOf(await this.ask((request) => ({ type: 'administer', request, command, database })));
  }

  /** Returns how many clients that were: 1 or 0. */
  async killClient(client: number): Promise<number> {
    return countOf(await this.ask((request) => ({ type: 'killClient', request, client })));
  }

  /** The prepared statements that it knows. */
  async statements(): Promise<readonly StatementSnapshot[]> {
    const answer = await this.ask((request) => ({ type: 'statements', request }));
    return answer?.type === 'statements' ? answer.statements : [];
  }

  private ask(question: (request: number) => ToWorker): Promise<ToControl | null> {
    const request = ++this.lastRequest;
    return new Promise((resolve) => {
      if (this.hasEnded) return resolve(null);
      this.requests.set(request, resolve);
      this.post(question(request));
    });
  }

  private answered(request: number, message: ToControl): void {
    this.requests.get(request)?.(message);
    this.requests.delete(request);
  }
}

type Answer = Extract<ToControl, { readonly type: 'snapshot' | 'expired' | 'statements' | 'done' }>;

function isAnswer(message: ToControl): message is Answer {
  const { type } = message;
  return type === 'snapshot' || type === 'expired' || type === 'statements' || type === 'done';
}

/** A worker that has died has nothing any more. */
function countOf(answer: ToControl | null): number {
  return answer?.type === 'done' ? answer.count : 0;
}
