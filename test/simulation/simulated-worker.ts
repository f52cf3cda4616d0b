/** A worker of the simulation: the real data plane on a reactor of its own, and the mail that comes to it from the control
 *  plane and from other workers: in order from each of them, and at any time. */
import { DataPlane } from '../../src/pooler/data-plane.js';
import { Mail, type Mailbox } from '../../src/pooler/mail.js';
import { IncomingMail, OutgoingMail, PEER_MAIL_BYTES } from '../../src/pooler/peer-mail.js';
import type { ToPeer } from '../../src/pooler/peers.js';
import type { ToControl, ToWorker, WorkerStart } from '../../src/pooler/thread-messages.js';
import type { End } from './network.js';
import type { SimulatedReactor } from './simulated-reactor.js';
import { Broken, type World } from './world.js';

/** How long a message between threads takes: most are quick, some late. Virtual milliseconds. */
const POST_MS = 0.5;
const LATE_POST_MS = 80;

function postMs({ random, network }: World): number {
  const mostMs = random.chance(network.latePosts) ? LATE_POST_MS : POST_MS;
  return (random.below(1000) / 1000) * mostMs;
}

/** Messages of one sender. Whichever of them arrives, it is the first that was posted. */
class Post<Message> implements Mailbox<Message> {
  private readonly underway: Message[] = [];
  private readonly arrived: Message[] = [];

  send(world: World, message: Message, arrives: () => void): void {
    this.underway.push(structuredClone(message));
    world.after(postMs(world), () => {
      this.arrived.push(...this.underway.splice(0, 1));
      arrives();
    });
  }

  /** The sender has died: what it had posted is there. */
  arriveAll(): void {
    this.arrived.push(...this.underway.splice(0));
  }

  take(): Message | null {
    return this.arrived.shift() ?? null;
  }
}

export class SimulatedWorker {
  readonly index: number;
  readonly plane: DataPlane;
  readonly reactor: SimulatedReactor;
  isDead = false;
  private readonly world: World;
  private readonly control = new Post<ToWorker>();
  private readonly mail: Mail;
  private readonly posts: Post<ToPeer>[] = [];

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
    this.mail = new Mail(this.plane.inbox, this.control);
    reactor.onWake = () => this.mail.read(() => undefined);
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
    const { world, reactor } = this;
    const memory = new SharedArrayBuffer(PEER_MAIL_BYTES);
    const post = new Post<ToPeer>();
    other.mail.comesFrom(this.index, new IncomingMail(memory, post));
    this.posts.push(post);
    const wakes = (): void => other.reactor.post();
    const link = new OutgoingMail(memory, { postMessage: (message) => post.send(world, message, wakes) });
    this.plane.peerCame(other.index, {
      post: (message) => {
        world.tell(() => `worker ${this.index} to ${other.index}: ${message.type}`);
        if ('detached' in message) reactor.kernel.give(message.detached.fd, other.reactor);
        link.post(message);
        world.after(postMs(world), wakes);
      },
    });
  }

  /** The thread is not there any more; its descriptors are. Returns the connections that it has not accepted. */
  die(): readonly End[] {
    this.isDead = true;
    for (const each of this.posts) each.arriveAll();
    return this.reactor.halt();
  }
}
