/** The old process, as the new one sees it: what it hands on to begin with, and its clients, who come one after the
 *  other until it has ended. */

import type { PassageToControl } from '../../pooler/passage-messages.js';
import type { DataPlaneSettings } from '../../pooler/settings.js';
import { DescriptorLost, DescriptorPipe } from '../../reactor/descriptor-pipe.js';
import type { Fd } from '../../reactor/libc.js';
import type { Log } from '../logs.js';
import { fillPools } from '../retain-cycle.js';
import type { Workers } from '../workers.js';
import { UpgradeFailed } from './failure.js';
import { type Heritage, heritageFrom, keepDescriptors, PIPE_FD } from './heritage.js';
import { type Accept, type Begin, ToPredecessor, ToSuccessor, type Travelling } from './process-messages.js';
import { SUCCESSOR_VARIABLE } from './successor.js';

const BEGIN_TIMEOUT_MS = 30_000;

/** Whether this process was started to take another's place: it is not to go to the background then, since the other
 *  has done so. */
export function isSuccessor(environment: NodeJS.ProcessEnv): boolean {
  return environment[SUCCESSOR_VARIABLE] !== undefined;
}

interface Asked {
  readonly worker: number;
  readonly request: number;
}

export class Predecessor {
  readonly heritage: Heritage;
  private readonly ticketKeys: Uint8Array;
  private readonly pipe = new DescriptorPipe(PIPE_FD as Fd);
  private readonly asked = new Map<number, Asked>();
  private lastRequest = 0;
  /** There is one before the old process is told that it may send anything. */
  private site: Site | null = null;
  private isAccepting = false;
  private clients = 0;
  private isGone = false;
  private readonly pid = process.ppid;

  private constructor(begin: Begin) {
    this.heritage = heritageFrom(begin);
    this.ticketKeys = begin.ticketKeys;
    process.on('message', (received) => {
      if (this.site !== null) this.received(this.site, received);
    });
    process.once('disconnect', () => this.ended());
  }

  /** The process whose place this one is to take; null when there is none. Throws UpgradeFailed. */
  static async find(environment: NodeJS.ProcessEnv): Promise<Predecessor | null> {
    if (!isSuccessor(environment)) return null;
    delete environment[SUCCESSOR_VARIABLE]; // not for what this one starts
    if (!process.connected)
      throw new UpgradeFailed(`${SUCCESSOR_VARIABLE} is set, and nobody is there to succeed`);
    keepDescriptors();
    const received = await firstMessage();
    const message = ToSuccessor.decode(received);
    if (message?.type !== 'begin') throw new UpgradeFailed('the old process is of another kind');
    return new Predecessor(message);
  }

  /** Clients that come again resume the TLS sessions that they had. */
  adapt(settings: DataPlaneSettings): DataPlaneSettings {
    return { ...settings, clientTls: { ...settings.clientTls, ticketKeys: this.ticketKeys } };
  }

  /** From now on there are workers; what comes from the old process is theirs. `onAccept`: this process is
   *  the service, in which these databases are paused. */
  serve(workers: Workers, log: Log, onAccept: Site['onAccept']): void {
    this.site = { workers, log, onAccept };
    if (this.isGone) this.gone(this.site);
  }

  /** All workers serve: the old process is to send its clients. */
  ready(): void {
    if (!this.isGone) tell({ type: 'ready' });
  }

  /** A client of the old process is to be cancelled. */
  cancel(worker: number, { request, key }: PassageToControl & { type: 'cancelElsewhere' }): void {
    if (this.isGone) return this.site?.workers.post(worker, { type: 'cancelAnswered', request });
    this.asked.set(++this.lastRequest, { worker, request });
    tell({ type: 'cancel', request: this.lastRequest, key });
  }

  get hasEnded(): boolean {
    return this.isGone;
  }

  private received(site: Site, received: unknown): void {
    const message = ToSuccessor.decode(received);
    if (message === null) throw new Error('the old process says what this one does not understand');
    switch (message.type) {
      case 'begin':
        return;
      case 'accept':
        return this.accept(site, message);
      case 'servers':
        return site.workers.pools.foreignAre(message.counts);
      case 'poolFacts':
        return site.workers.postToAll(message);
      case 'client':
      case 'login':
        return this.take(site, message);
      case 'cancelEnded': {
        const asked = this.asked.get(message.request);
        this.asked.delete(message.request);
        if (asked === undefined) return;
        return site.workers.post(asked.worker, { type: 'cancelAnswered', request: asked.request });
      }
    }
  }

  private accept({ workers, onAccept }: Site, { counts, paused }: Accept): void {
    if (this.isAccepting) return;
    this.isAccepting = true;
    workers.pools.foreignAre(counts);
    onAccept(paused);
    workers.accept();
  }

  private take({ workers, log }: Site, message: Travelling): void {
    const { number } = message;
    try {
      workers.welcome({ fd: this.pipe.receive().fd, message });
      if (message.type === 'client') this.clients++;
      tell({ type: 'taken', number });
    } catch (error) {
      if (!(error instanceof DescriptorLost)) throw error;
      log.error(`a client stays in the old process: ${error.message}`);
      tell({ type: 'notTaken', number });
    }
  }

  private ended(): void {
    this.isGone = true;
    this.pipe.close();
    if (this.site !== null) this.gone(this.site);
  }

  private gone(site: Site): void {
    const { workers, log } = site;
    this.accept(site, { counts: [], paused: [] });
    workers.pools.foreignAre([]);
    this.asked.clear();
    workers.predecessorEnded();
    fillPools(workers.pools.all(), [...workers.all()]);
    log.info(`upgrade: process ${this.pid} has ended; ${this.clients} of its clients went on here`);
  }
}

/** What the clients of the old process come to. */
interface Site {
  readonly workers: Workers;
  readonly log: Log;
  readonly onAccept: (paused: Accept['paused']) => void;
}

function tell(message: ToPredecessor): void {
  if (process.connected) process.send?.(ToPredecessor.encode(message), undefined, undefined, () => undefined);
}

function firstMessage(): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new UpgradeFailed('the old process said nothing'));
    setTimeout(fail, BEGIN_TIMEOUT_MS).unref();
    process.once('disconnect', fail);
    process.once('message', resolve);
  });
}
