/** One process of the simulation takes another's place, as control/upgrade does it: the new one serves, the old one sends
 *  its clients, those that cannot go finish there, and servers of both count in the new one's pools. */
import type { PassageToControl } from '../../src/pooler/passage-messages.js';
import type { CancelKey } from '../../src/wire/startup.js';
import type { Departing, SimulatedProcess } from './simulated-process.js';
import type { SimulatedKernel } from './simulated-reactor.js';
import type { World } from './world.js';

/** Between the ids of the process before and those here. */
const IDS_BETWEEN = 65_536;
/** How often the new process is told what servers the old one still has. */
const COUNTS_MS = 10;
const GRACE_MS = 60_000;
/** Descriptors and messages between processes take up to so long. */
const TRANSFER_MS = 5;

export class SimulatedUpgrade implements Departing {
  private readonly world: World;
  private readonly kernel: SimulatedKernel;
  private readonly old: SimulatedProcess;
  private next: SimulatedProcess | null = null;
  private awaited: number;
  private hasBegun = false;
  private readonly cancels = new Map<number, { left: number; readonly answered: () => void }>();
  private lastCancel = 0;

  constructor(world: World, kernel: SimulatedKernel, old: SimulatedProcess) {
    this.world = world;
    this.kernel = kernel;
    this.old = old;
    this.awaited = [...old.living()].length;
  }

  get lastIds(): readonly [number, number] {
    const [client, server] = this.old.board.lastIds;
    return [client + IDS_BETWEEN, server + IDS_BETWEEN];
  }

  /** The new process serves. */
  begin(next: SimulatedProcess): void {
    this.next = next;
    this.old.depart(GRACE_MS);
  }

  /** A worker of the old process has something to say. */
  onMessage(message: PassageToControl): void {
    const { next, world } = this;
    if (next === null) return;
    switch (message.type) {
      case 'departing':
        for (const facts of message.pools) next.postToAll({ type: 'poolFacts', facts });
        if (--this.awaited > 0 || this.hasBegun) return;
        this.hasBegun = true;
        next.accept();
        return this.tellCounts();
      case 'poolFacts':
        return next.postToAll(message);
      case 'clientGoes':
      case 'loginGoes':
        // Its process may end before the other has it.
        this.kernel.give(message.detached.fd, null);
        return world.after((world.random.below(1000) / 1000) * TRANSFER_MS, () => {
          if (next.hasEnded) this.kernel.close(message.detached.fd);
          else next.welcome(message);
        });
      case 'cancelEnded': {
        const asked = this.cancels.get(message.request);
        if (asked === undefined || --asked.left > 0) return;
        this.cancels.delete(message.request);
        return asked.answered();
      }
      default:
    }
  }

  cancel(key: CancelKey, answered: () => void): void {
    const left = [...this.old.living()].length;
    if (left === 0) return answered();
    const request = ++this.lastCancel;
    this.cancels.set(request, { left, answered });
    this.old.postToAll({ type: 'cancelAsked', request, key });
  }

  /** Whether the old process is still there. */
  get isUnderway(): boolean {
    return !this.old.hasEnded;
  }

  private tellCounts(): void {
    const { next, old } = this;
    if (next === null) return;
    next.pools.foreignAre(old.hasEnded ? [] : old.pools.servers());
    if (old.hasEnded) return next.predecessorEnded();
    this.world.after(COUNTS_MS, () => this.tellCounts());
  }
}
