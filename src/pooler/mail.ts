/** What other threads have posted to a worker, and the order in which it is dealt with: what the control plane says first,
 *  then what each of the other workers does. Not for: the ports. */
import type { Inbox } from './inbox.js';
import type { ToPeer } from './peers.js';
import type { ToWorker } from './thread-messages.js';

/** Messages of one sender, in order. */
export interface Mailbox<Message> {
  /** null when there is none for now. */
  take(): Message | null;
}

export class Mail {
  private readonly inbox: Pick<Inbox, 'onMessage' | 'onPeerMessage'>;
  private readonly control: Mailbox<ToWorker>;
  /** By worker. */
  private readonly peers = new Map<number, Mailbox<ToPeer>>();

  constructor(inbox: Pick<Inbox, 'onMessage' | 'onPeerMessage'>, control: Mailbox<ToWorker>) {
    this.inbox = inbox;
    this.control = control;
  }

  /** Another worker posts to this one. */
  comesFrom(worker: number, box: Mailbox<ToPeer>): void {
    this.peers.set(worker, box);
  }

  /** `meets`: another worker can be reached. */
  read(meets: (message: ToWorker & { type: 'peer' }) => void): void {
    for (let message = this.control.take(); message !== null; message = this.control.take()) {
      if (message.type === 'peer') meets(message);
      else if (message.type === 'peerDied') this.buries(message.worker);
      this.inbox.onMessage(message);
    }
    for (const worker of this.peers.keys()) this.readFrom(worker);
  }

  /** The worker is dying: of all that is there it takes the clients, who are to be told. */
  readClients(): void {
    for (let message = this.control.take(); message !== null; message = this.control.take())
      if (message.type === 'clientArrives') this.inbox.onMessage(message);
    for (const [worker, box] of this.peers)
      for (let message = box.take(); message !== null; message = box.take())
        if (message.type === 'client') this.inbox.onPeerMessage(worker, message);
  }

  /** What it had sent before it died is on its way no more, and would be lost: connections are among it. */
  private buries(worker: number): void {
    this.readFrom(worker);
    this.peers.delete(worker);
  }

  private readFrom(worker: number): void {
    const box = this.peers.get(worker);
    if (box === undefined) return;
    for (let message = box.take(); message !== null; message = box.take())
      this.inbox.onPeerMessage(worker, message);
  }
}
