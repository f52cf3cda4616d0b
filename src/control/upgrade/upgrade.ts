/** Binary upgrade, in the process that is to be replaced: has the new program check its configuration, starts it, and
 *  when it serves hands over the listening socket and the clients; those that cannot go finish here. When the new process
 *  fails meanwhile, everything goes on here. docs/upgrade.md */
import type { PoolFacts } from '../../pooler/passage-messages.js';
import type { DataPlaneSettings } from '../../pooler/settings.js';
import type { ToControl } from '../../pooler/thread-messages.js';
import { close, type Fd, SystemError } from '../../reactor/libc.js';
import type { DetachedSocket } from '../../reactor/reactor.js';
import type { CancelKey } from '../../wire/startup.js';
import type { Log } from '../logs.js';
import type { Workers } from '../workers.js';
import { UpgradeFailed } from './failure.js';
import type { Predecessor } from './predecessor.js';
import { PROTOCOL, type ToPredecessor, type Travelling } from './process-messages.js';
import { Successor } from './successor.js';
import { Transfer } from './transfer.js';

/** How often the new process is told what servers this one still has. */
const COUNTS_INTERVAL_MS = 10;
/** A worker that has not answered by then is dying. */
const DEPARTURE_TIMEOUT_MS = 2000;
/** So long the end of this process waits for the new one to take the last clients. */
const LAST_TRANSFER_TIMEOUT_MS = 5000;

/** A container's first process: the container ends with it, so that no other can take its place. */
export const INIT = 1;

/** The world outside: service managers, files that name the process. */
export interface UpgradeHooks {
  /** The process of this id is the service now. */
  handedOver(pid: number): void;
  /** … and is this one again: the other has failed. */
  takenBack(): void;
  /** This process has nothing to do any more but for what its workers still have, if there are any. */
  departed(): void;
}

export interface UpgradeSite {
  readonly workers: Workers;
  readonly settings: () => DataPlaneSettings;
  readonly log: Log;
  readonly predecessor: Predecessor | null;
  /** What PAUSE has stopped: databases; null stands for all. */
  readonly paused: () => readonly (string | null)[];
  readonly hooks: UpgradeHooks;
}

export class Upgrade {
  private readonly site: UpgradeSite;
  private isUnderway = false;
  private isGivenUp = false;
  private successor: Successor | null = null;
  private transfer: Transfer | null = null;
  /** Workers that have not yet told that they are departing. */
  private readonly awaited = new Set<number>();
  private allDepart: () => void = () => undefined;
  /** Until the new process knows that it serves in this one's place, this one does not end. */
  private handover: Promise<void> = Promise.resolve();
  private countsTimer: NodeJS.Timeout | undefined;
  private lastCounts = '';
  /** Cancels that the new process has asked for: its number for each, and which workers have not answered. */
  private readonly cancels = new Map<
    number,
    { readonly request: number; readonly unanswered: Set<number> }
  >();
  private lastCancel = 0;

  constructor(site: UpgradeSite) {
    this.site = site;
  }

  /** Resolves when the new process serves; the clients are on their way then. Throws UpgradeFailed when all stays as it
   *  was. */
  async upgrade(): Promise<void> {
    this.mayBegin();
    this.isUnderway = true;
    const { log } = this.site;
    try {
      log.info('upgrade: the new program checks its configuration');
      await Successor.check();
      if (this.isGivenUp) throw new UpgradeFailed('this process is shutting down');
      await this.begin();
    } catch (error) {
      this.successor?.abandon();
      this.successor = null;
      this.isUnderway = false;
      throw error instanceof UpgradeFailed ? error : new UpgradeFailed(whyOf(error));
    }
  }

  /** What the workers of a process that is being replaced, or of one that replaces another, have to say. */
  onMessage(worker: number, message: ToControl): void {
    switch (message.type) {
      case 'departing':
        return this.departs(worker, message.pools);
      case 'clientGoes':
        return this.send(message.detached, (number) => ({ type: 'client', number, client: message.client }));
      case 'loginGoes':
        return this.send(message.detached, (number) => {
          const { unread, proven } = message;
          return { type: 'login', number, unread, proven };
        });
      case 'poolFacts':
        return this.successor?.tell(message);
      case 'cancelEnded':
        return this.cancelEnded(message.request, worker);
      case 'cancelElsewhere':
        return this.site.predecessor?.cancel(worker, message);
      default:
    }
  }

  /** A worker has died or stopped: it answers nothing any more. */
  workerGone(worker: number): void {
    this.hasDeparted(worker);
    for (const own of [...this.cancels.keys()]) this.cancelEnded(own, worker);
  }

  /** Whether connections are on their way to the new process, and come back when it fails. */
  get isTransferring(): boolean {
    return this.transfer?.isEmpty === false;
  }

  /** This process is told to end: a new one that does not serve yet ends with it. */
  giveUp(): void {
    this.isGivenUp = true;
    if (this.transfer === null) this.successor?.abandon();
  }

  /** Resolves when nobody is on the way to the new process any more, and that has been told all: this one may end. */
  async finished(): Promise<void> {
    await this.handover.catch(() => undefined); // who asked for the upgrade hears of it
    clearInterval(this.countsTimer);
    const { transfer } = this;
    if (transfer === null) return;
    const timeout = new Promise((resolve) => setTimeout(resolve, LAST_TRANSFER_TIMEOUT_MS));
    await Promise.race([transfer.empty(), timeout]);
    this.site.log.info(`upgrade: ${transfer.count} connections have gone to the new process`);
  }

  // ── the new process ────────────────────────────────────────────────────────────────────────────────────────────

  private mayBegin(): void {
    const { predecessor } = this.site;
    if (this.isGivenUp) throw new UpgradeFailed('this process is shutting down');
    if (this.isUnderway) throw new UpgradeFailed('another upgrade is under way');
    if (predecessor !== null && !predecessor.hasEnded) {
      throw new UpgradeFailed(
        'the process that this one has replaced still has clients; try again when it has ended',
      );
    }
    if (process.pid === INIT) {
      throw new UpgradeFailed(
        'process 1 ends its container when it ends: start another container in its place',
      );
    }
  }

  private async begin(): Promise<void> {
    const { workers } = this.site;
    const { listening, ...keys } = workers.heritage();
    const successor = Successor.start(listening.fd, {
      onMessage: (message) => this.fromSuccessor(message),
      onEnded: (how, wasTold) => this.successorEnded(how, wasTold),
    });
    this.successor = successor;
    const isReady = successor.answered('ready');
    successor.tell({
      type: 'begin',
      protocol: PROTOCOL,
      listening,
      ticketKeys: this.site.settings().clientTls.ticketKeys,
      ...keys,
    });
    await isReady;
    this.handover = this.handOver(successor);
    await this.handover;
    this.site.hooks.departed();
  }

  private async handOver(successor: Successor): Promise<void> {
    const { workers, log, settings } = this.site;
    this.transfer = new Transfer(successor.pipe, (message) => successor.tell(message));
    await this.departure();
    if (this.successor !== successor) throw new UpgradeFailed('the new process ended as soon as it served');
    this.site.hooks.handedOver(successor.pid);
    successor.tell({ type: 'accept', counts: workers.pools.servers(), paused: this.site.paused() });
    this.countsTimer = setInterval(() => this.tellCounts(successor), COUNTS_INTERVAL_MS);
    log.info(
      `upgrade: process ${successor.pid} serves in place of ${process.pid}; what cannot go there has ${settings().shutdownTimeoutMs} ms to finish`,
    );
  }

  /** Has all workers stop accepting and close their idle servers. */
  private departure(): Promise<void> {
    const { workers, settings } = this.site;
    return new Promise((resolve) => {
      this.allDepart = resolve;
      this.awaited.clear();
      for (const worker of workers.alive()) this.awaited.add(worker);
      if (this.awaited.size === 0) resolve();
      setTimeout(resolve, DEPARTURE_TIMEOUT_MS).unref();
      workers.depart(settings().shutdownTimeoutMs);
    });
  }

  private departs(worker: number, pools: readonly PoolFacts[]): void {
    for (const facts of pools) {
      if (facts.parameters.length > 0 || facts.clientKey !== null)
        this.successor?.tell({ type: 'poolFacts', facts });
    }
    this.hasDeparted(worker);
  }

  private hasDeparted(worker: number): void {
    if (this.awaited.delete(worker) && this.awaited.size === 0) this.allDepart();
  }

  private tellCounts(successor: Successor): void {
    const counts = this.site.workers.pools.servers();
    const text = JSON.stringify(counts);
    if (text === this.lastCounts) return;
    this.lastCounts = text;
    successor.tell({ type: 'servers', counts });
  }

  private fromSuccessor(message: ToPredecessor): void {
    switch (message.type) {
      case 'ready': // who waits for it has heard it
        return;
      case 'taken':
        return this.transfer?.taken(message.number);
      case 'notTaken': {
        const parcel = this.transfer?.takeBack(message.number) ?? null;
        return parcel === null ? undefined : this.site.workers.welcome(parcel);
      }
      case 'cancel':
        return this.cancel(message.request, message.key);
    }
  }

  private successorEnded(how: string, wasTold: boolean): void {
    const { transfer } = this;
    if (transfer === null) return; // who waits for it to serve has heard it
    const { workers, log, hooks } = this.site;
    this.successor = null;
    this.transfer = null;
    this.isUnderway = false;
    clearInterval(this.countsTimer);
    if (wasTold || workers.isStopping) {
      if (wasTold) log.info('upgrade: the new process has been told to end, so this one ends as well');
      else log.error(`upgrade: the new process has failed (${how}), and this one has ended its work already`);
      for (const { fd } of transfer.takeAllBack()) close(fd);
      return workers.postToAll({ type: 'stop' });
    }
    log.error(`upgrade: the new process has failed (${how}): this one goes on`);
    workers.remain();
    for (const parcel of transfer.takeAllBack()) this.site.workers.welcome(parcel);
    hooks.takenBack();
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  private send({ fd }: DetachedSocket, message: (number: number) => Travelling): void {
    const { transfer } = this;
    const parcel = { fd: fd as Fd, message: message(transfer?.nextNumber() ?? 0) };
    if (transfer === null) this.site.workers.welcome(parcel);
    else transfer.send(parcel);
  }

  /** Clients that are still here may be cancelled by whoever connects to the new process. */
  private cancel(request: number, key: CancelKey): void {
    const { workers } = this.site;
    const own = ++this.lastCancel;
    this.cancels.set(own, { request, unanswered: new Set(workers.alive()) });
    workers.postToAll({ type: 'cancelAsked', request: own, key });
  }

  private cancelEnded(own: number, worker: number): void {
    const asked = this.cancels.get(own);
    if (asked === undefined || !asked.unanswered.delete(worker) || asked.unanswered.size > 0) return;
    this.cancels.delete(own);
    this.successor?.tell({ type: 'cancelEnded', request: asked.request });
  }
}

function whyOf(error: unknown): string {
  return error instanceof SystemError
    ? error.message
    : `bug: ${error instanceof Error ? error.stack : error}`;
}
