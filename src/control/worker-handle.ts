/** One worker as the control plane sees it: messages to and from a thread that has no event loop of its own, so that
 *  it must be woken to look. */
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { ToControl, ToWorker, WorkerSnapshot, WorkerStart } from '../pooler/thread-messages.js';

export interface WorkerEvents {
  onMessage(message: ToControl): void;
  /** The thread has ended, though nobody told it to. */
  onDied(why: string): void;
}

/** Serving queries allocates nothing, so there is no use for a large nursery; after many logins it would stay large. */
const YOUNG_GENERATION_MB = 4;
/** The Uint64 1 in this machine's order: what an eventfd is woken with. */
const WAKE = new Uint8Array(new BigUint64Array([1n]).buffer);

export class WorkerHandle {
  private readonly worker: Worker;
  private readonly snapshots = new Map<number, (snapshot: WorkerSnapshot) => void>();
  private wakeFd = -1;
  private lastRequest = 0;
  private hasStopped = false;

  constructor(start: WorkerStart, events: WorkerEvents) {
    this.worker = new Worker(new URL('../pooler/worker-main.js', import.meta.url), {
      workerData: start,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.worker.on('message', (message: ToControl) => {
      if (message.type === 'listening') {
        this.wakeFd = message.wakeFd;
        writeSync(this.wakeFd, WAKE); // for what was posted before it could be woken
      }
      if (message.type === 'stopped' || message.type === 'cannotStart') this.hasStopped = true;
      if (message.type === 'snapshot') {
        this.snapshots.get(message.request)?.(message.snapshot);
        this.snapshots.delete(message.request);
      } else events.onMessage(message);
    });
    this.worker.on('error', (error) =>
      events.onDied(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
    this.worker.on('exit', (code) => {
      if (!this.hasStopped) events.onDied(`exit status ${code}`);
    });
  }

  post(message: ToWorker): void {
    this.worker.postMessage(message);
    if (this.wakeFd >= 0 && !this.hasStopped) writeSync(this.wakeFd, WAKE);
  }

  /** What there is in the worker now. */
  snapshot(): Promise<WorkerSnapshot> {
    const request = ++this.lastRequest;
    return new Promise((resolve) => {
      this.snapshots.set(request, resolve);
      this.post({ type: 'snapshot', request });
    });
  }
}
