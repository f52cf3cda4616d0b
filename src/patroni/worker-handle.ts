/** The worker as the control plane sees it: messages to and from a thread that must be woken to look. */
import { writeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../program/parts.js';
import type {
  OpenListener,
  PortSnapshot,
  Route,
  ToControl,
  ToWorker,
  WorkerStart,
} from './relay/thread-messages.js';

export interface WorkerEvents {
  onMessage(message: ToControl): void;
  /** The thread has ended, though nobody told it to. */
  onDied(why: string): void;
}

export interface Applied {
  readonly failure: string | null;
  /** Addresses that are listened on from now on. */
  readonly opened: readonly string[];
}

/** Relaying allocates nothing, so there is no use for a large nursery. */
const YOUNG_GENERATION_MB = 4;
/** The Uint64 1 in this machine's order: what an eventfd is woken with. */
const WAKE = new Uint8Array(new BigUint64Array([1n]).buffer);

export class WorkerHandle {
  private readonly worker: Worker;
  private readonly applying = new Map<number, (applied: Applied) => void>();
  private readonly snapshots = new Map<number, (ports: readonly PortSnapshot[]) => void>();
  private readonly listenings = new Map<number, (listeners: readonly OpenListener[]) => void>();
  private wakeFd = -1;
  private lastRequest = 0;
  private hasStopped = false;

  constructor(start: WorkerStart, events: WorkerEvents) {
    this.worker = startThread('patroni/relay/worker-main', {
      workerData: start,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.worker.on('message', (message: ToControl) => {
      this.take(message);
      events.onMessage(message);
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

  /** Makes the ports what they are to be. Returns when they are, or when an address could not be listened on. */
  apply(routes: readonly Route[], connectTimeoutMs: number): Promise<Applied> {
    const request = ++this.lastRequest;
    return new Promise((resolve) => {
      this.applying.set(request, resolve);
      this.post({ type: 'routes', request, routes, connectTimeoutMs });
    });
  }

  snapshot(): Promise<readonly PortSnapshot[]> {
    const request = ++this.lastRequest;
    return new Promise((resolve) => {
      this.snapshots.set(request, resolve);
      this.post({ type: 'snapshot', request });
    });
  }

  listening(): Promise<readonly OpenListener[]> {
    const request = ++this.lastRequest;
    return new Promise((resolve) => {
      this.listenings.set(request, resolve);
      this.post({ type: 'listening', request });
    });
  }

  private take(message: ToControl): void {
    switch (message.type) {
      case 'started':
        this.wakeFd = message.wakeFd;
        writeSync(this.wakeFd, WAKE); // for what was posted before it could be woken
        return;
      case 'applied':
        this.applying.get(message.request)?.(message);
        this.applying.delete(message.request);
        return;
      case 'snapshot':
        this.snapshots.get(message.request)?.(message.ports);
        this.snapshots.delete(message.request);
        return;
      case 'listening':
        this.listenings.get(message.request)?.(message.listeners);
        this.listenings.delete(message.request);
        return;
      case 'stopped':
      case 'cannotStart':
        this.hasStopped = true;
        return;
      case 'log':
        return;
    }
  }
}
