/** What the control plane and other workers say to a worker, and whom it concerns. Not for: the order in which it is read
 *  (mail.ts), what is said while another process takes this one's place (passage.ts). */
import { cancelHere } from './cancel.js';
import type { DataPlane } from './data-plane.js';
import type { ToPeer } from './peers.js';
import type { ToWorker } from './thread-messages.js';
import { workerSnapshot } from './worker-snapshot.js';

export class Inbox {
  private readonly plane: DataPlane;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  /** The control plane. */
  onMessage(message: ToWorker): void {
    const { plane } = this;
    switch (message.type) {
      case 'shutdown':
        return plane.ending.begin(message.graceMs);
      case 'stop':
        return plane.stop();
      case 'snapshot':
        return plane.post({ type: 'snapshot', request: message.request, snapshot: workerSnapshot(plane) });
      case 'adminAnswer':
        return plane.findAdmin(message.client)?.answer(message.bytes);
      case 'administer': {
        const { request, command, database } = message;
        return plane.post({ type: 'done', request, count: plane.administration.run(command, database) });
      }
      case 'killClient': {
        const { request, client } = message;
        return plane.post({ type: 'done', request, count: plane.administration.killClient(client) });
      }
      case 'statements':
        return plane.post({ ...message, statements: plane.administration.statements() });
      case 'scramKeys':
        return plane.scramKeysCame(message.request, message.keys);
      case 'userFound':
        return plane.lookUps.answered(message.request, message.answer);
      case 'proofChecked':
        return plane.proofs.answered(message.request, message.verdict);
      case 'settings':
        return plane.changeSettings(message.settings, message.tlsChanged);
      case 'pool':
        return plane.setPool(message);
      case 'closePool':
        return plane.closePool(message.pool, message.request);
      case 'logLevel':
        return plane.logLevelIs(message.level);
      case 'address':
        return plane.poolAt(message.pool)?.moveTo(message.host);
      case 'findExpired':
        return plane.post({ type: 'expired', request: message.request, servers: plane.expired() });
      case 'closeExpired':
        return plane.poolAt(message.pool)?.closeExpired(message.server);
      case 'fill':
        return plane.poolAt(message.pool)?.fill();
      case 'peer': // whoever has its port connects it
        return;
      case 'peerDied':
        plane.peers.disconnect(message.worker);
        plane.cancels.giveUp();
        return plane.post({ type: 'peerForgotten', worker: message.worker });
      default:
        return plane.passage.onMessage(message);
    }
  }

  /** Another worker. */
  onPeerMessage(from: number, message: ToPeer): void {
    const { plane } = this;
    switch (message.type) {
      case 'look':
        return plane.poolAt(message.pool)?.sharing.look();
      case 'server':
        return plane.takeServer(message.pool, message.record, message.detached);
      case 'newClient':
        return plane.reception.takeNewClient(message.detached, message.isTooMany);
      case 'client':
        return plane.takeClient(message.record, message.detached);
      case 'parameters':
        return plane.poolAt(message.pool)?.greeting.toldBy(message.origin, message.parameters);
      case 'askParameters':
        return plane.poolAt(message.pool)?.greeting.tell(from);
      case 'clientKey':
        return plane.poolAt(message.pool)?.credentials.keyCame(message.key);
      case 'credentials':
        return plane.poolAt(message.pool)?.credentials.came(message.secret, message.key);
      case 'loginFailed':
        plane.failedLogins.failed(message.address);
        return;
      case 'renewed':
        return plane.poolAt(message.pool)?.statements.wasRenewed(message.content, message.serial);
      case 'cancel': {
        const { request } = message;
        return cancelHere(plane, message.key, {
          cancelEnded: () => plane.peers.post(from, { type: 'cancelEnded', request }),
        });
      }
      case 'cancelEnded':
        return plane.cancels.answered(message.request);
    }
  }
}
