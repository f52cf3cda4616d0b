/** A worker of the simulation: the real data plane on a reactor of its own, and the mail that comes to it from the control
 *  plane and from other workers: in order from each of them, and at any time. */
import { DataPlane } from '../../src/pooler/data-plane.js';
import type { ToPeer } from '../../src/pooler/peers.js';
import type { ToControl, ToWorker, WorkerStart } from '../../src/pooler/thread-messages.js';
import { SimulatedReactor } from './simulated-reactor.js';
import { Broken, type World } from './world.js';

/** How long a message between threads takes: most are quick, some late. Virtual milliseconds. */
const POST_MS = 0.5;
const LATE_POST_MS = 80;
const LATE = 0.03;

/** Messages of one sender. Whichever of them arrives, it is the first that was posted. */
class Mail<Message> {
  private readonly underway: Message[] = [];
  private readonly arrived: Message[] = [];

  send(world: World, message: Message, arrives: () => void): void {
    const { random } = world;
    const mostMs = random.chance(LATE) ? LATE_POST_MS : POST_MS;
    this.underway.push(structuredClone(message));
    world.after((random.below(1000) / 1000) * mostMs, () => {
      this.arrived.push(...this.underway.splice(0, 1));
      arrives();
    });
  }

  take(): Message | undefined {
    return this.arrived.shift();
  }
}

export class SimulatedWorker {
  readonly index: number;
  readonly plane: DataPlane;
  readonly reactor: SimulatedReactor;
  isDead = false;
  private readonly world: World;
  private readonly control = new Mail<ToWorker>();
  private readonly peers = new Map<number, Mail<ToPeer>>();

  constructor(
    world: World,
    start: WorkerStart,
    reactor: SimulatedReactor,
    hears: (message: ToControl) => void,
  ) {
    this.world = world;
    this.index = start.index;
    this.reactor = reactor;
    this.plane = new DataPlane(start, reactor, hears);
    reactor.onWake = () => this.readMail();
    reactor.onBug = (error) => {
      throw error instanceof Broken
        ? error
        : new Broken(`a bug: ${error instanceof Error ? error.stack : error}`);
    };
  }

  /** From the control plane. */
  post(message: ToWorker): void {
    this.world.tell(() => `control to worker ${this.index}: ${message.type}`);
    this.control.send(this.world, message, () => this.reactor.post());
  }

  /** From now on this one can post to the other. */
  meet(other: SimulatedWorker): void {
    const mail = new Mail<ToPeer>();
    other.peers.set(this.index, mail);
    this.plane.peerCame(other.index, {
      post: (message) => {
        this.world.tell(() => `worker ${this.index} to ${other.index}: ${message.type}`);
        if ('detached' in message) this.reactor.kernel.give(message.detached.fd, other.reactor);
        mail.send(this.world, message, () => other.reactor.post());
      },
    });
  }

  /** The thread is not there any more; its descriptors are. */
  die(): void {
    this.isDead = true;
    this.reactor.halt();
  }

  /** As worker-main.ts does it. */
  private readMail(): void {
    for (let next = this.control.take(); next !== undefined; next = this.control.take()) {
      if (next.type === 'peerDied') this.readFrom(next.worker);
      this.plane.onMessage(next);
      if (next.type === 'peerDied') this.peers.delete(next.worker);
    }
    for (const from of this.peers.keys()) this.readFrom(from);
  }

  private readFrom(worker: number): void {
    const mail = this.peers.get(worker);
    if (mail === undefined) return;
    for (let next = mail.take(); next !== undefined; next = mail.take()) this.plane.onPeerMessage(worker, next);
  }
}
