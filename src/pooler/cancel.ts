/** CancelRequest: a client shows the key that it was greeted with, and PostgreSQL is sent the key of the server that
 *  the client has at that moment; one that waits for a server stops waiting. There is never an answer. PostgreSQL manual, "Canceling Requests in Progress". */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { SystemError } from '../reactor/libc.js';
import type { Socket } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { putInt32 } from '../wire/bytes.js';
import { QueryCancelled } from '../wire/client-facing-error.js';
import { type CancelKey, cancelRequest } from '../wire/startup.js';
import type { AdminSession } from './admin-session.js';
import { Connection } from './connection-counts.js';
import type { DataPlane } from './data-plane.js';
import { CANCEL_TIMEOUT_MS } from './limits.js';
import type { Pool } from './pool.js';
import type { ServedClient } from './served-client.js';
import type { ServerSession } from './server-session.js';
import { type Caller, dial } from './server-tls.js';

/** The secret part of a client's key: 4 bytes, 32 since protocol 3.2. Made from a random number when it is wanted, so
 *  that it takes no memory. */
export function cancelSecret({ start }: DataPlane, { id, random, isLong }: KeySeed): Uint8Array {
  const seed = new Uint8Array(isLong ? 8 : 4);
  putInt32(seed, 0, random);
  if (!isLong) return seed;
  putInt32(seed, 4, id);
  return createHmac('sha256', start.cancelSigningKey).update(seed).digest();
}

/** What the key of a client is made from. */
export interface KeySeed {
  readonly id: number;
  readonly random: number;
  readonly isLong: boolean;
}

/** Who has brought a cancel, and waits until it has been delivered: then it cannot hit what its client asks for next. */
export interface CancelBringer {
  cancelEnded(): void;
}

const NOBODY: CancelBringer = { cancelEnded: () => undefined };

/** Passes a cancel on if the key is that of a client at work, in this worker or another. `bringer`, which brought it, is
 *  closed when that is done. */
export function sendCancel(plane: DataPlane, key: CancelKey, bringer: Socket): void {
  plane.countKind(Connection.Cancel);
  // A reset would be an error to whoever cancels.
  const end: CancelBringer = { cancelEnded: () => bringer.closeAfterSend() };
  if (clientOf(plane, key) !== null || adminOf(plane, key) !== null) cancelHere(plane, key, end);
  else if (plane.peers.count === 0 && !plane.passage.hasPredecessor) end.cancelEnded();
  else plane.cancels.ask(key, end);
}

/** … in this worker, where it may be nobody's. */
export function cancelHere(plane: DataPlane, key: CancelKey, bringer: CancelBringer): void {
  const client = clientOf(plane, key);
  if (client?.server != null) return cancelQuery(plane, client.server, bringer);
  client?.stopWaiting(new QueryCancelled());
  adminOf(plane, key)?.cancel();
  bringer.cancelEnded();
}

/** Has PostgreSQL cancel what this server is doing. */
export function cancelQuery(plane: DataPlane, server: ServerSession, bringer: CancelBringer = NOBODY): void {
  try {
    new CancelDelivery(plane, server, bringer);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    server.pool.log('warn', `cancel not passed on: ${error.message}`, server.logFields);
    bringer.cancelEnded();
  }
}

/** Cancels whose clients are in another worker, or still in the process before this one, nobody knows which: all are
 *  asked. */
export class RemoteCancels {
  private readonly plane: DataPlane;
  private readonly asked = new Map<number, { readonly bringer: CancelBringer; answersLeft: number }>();
  private lastRequest = 0;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  ask(key: CancelKey, bringer: CancelBringer): void {
    const request = ++this.lastRequest;
    const { peers, passage } = this.plane;
    this.asked.set(request, { bringer, answersLeft: peers.count + (passage.hasPredecessor ? 1 : 0) });
    peers.postToAll({ type: 'cancel', request, key });
    if (passage.hasPredecessor) this.plane.post({ type: 'cancelElsewhere', request, key });
  }

  /** One of them has delivered it, or has no such client. */
  answered(request: number): void {
    const asked = this.asked.get(request);
    if (asked === undefined || --asked.answersLeft > 0) return;
    this.asked.delete(request);
    asked.bringer.cancelEnded();
  }

  /** One that was asked has died: nobody knows what it would have answered. */
  giveUp(): void {
    for (const { bringer } of this.asked.values()) bringer.cancelEnded();
    this.asked.clear();
  }
}

function clientOf(plane: DataPlane, { processId, secret }: CancelKey): ServedClient | null {
  const client = plane.findClient(processId);
  return client !== null && isSecretOf(plane, client.keySeed, secret) ? client : null;
}

function adminOf(plane: DataPlane, { processId, secret }: CancelKey): AdminSession | null {
  const admin = plane.findAdmin(processId);
  return admin !== null && isSecretOf(plane, admin.keySeed, secret) ? admin : null;
}

function isSecretOf(plane: DataPlane, seed: KeySeed, secret: Uint8Array): boolean {
  const expected = cancelSecret(plane, seed);
  return expected.length === secret.length && timingSafeEqual(expected, secret);
}

/** One connection that brings a CancelRequest to PostgreSQL. */
class CancelDelivery implements Caller, TimerTarget {
  private readonly plane: DataPlane;
  private readonly server: ServerSession;
  private readonly pool: Pool;
  private readonly message: Uint8Array;
  socket: Socket;
  private isSent = false;
  private readonly bringer: CancelBringer;
  private readonly timer: Timer;

  constructor(plane: DataPlane, server: ServerSession, bringer: CancelBringer) {
    this.plane = plane;
    this.bringer = bringer;
    this.server = server;
    this.pool = server.pool;
    this.message = cancelRequest(server.processId, server.cancelKey);
    this.timer = new Timer(this);
    // The key is as secret as what the server's own connection carries.
    this.socket = dial(this.pool, this, server.socket.isTls ? 'require' : 'plain');
    server.cancelBegins();
    this.pool.cancelRequests++;
    plane.reactor.setTimer(this.timer, CANCEL_TIMEOUT_MS);
  }

  onConnected(): void {
    this.socket.send(this.message, 0, this.message.length);
    this.isSent = true;
  }

  onBytes(_bytes: Uint8Array, _begin: number, end: number): number {
    return end;
  }

  onWritable(): void {
    // 16 bytes
  }

  /** PostgreSQL closes when it has passed the cancel on. */
  onClosed(errno: number): void {
    this.ends(this.isSent && errno === 0);
  }

  dialFailed(why: string): void {
    this.pool.log('warn', `cancel not passed on: ${this.pool.addressText} ${why}`, this.server.logFields);
    this.ends(false);
  }

  onTimer(): void {
    this.socket.close();
    this.ends(false);
  }

  private ends(isDelivered: boolean): void {
    this.pool.cancelRequests--;
    this.plane.reactor.clearTimer(this.timer);
    this.bringer.cancelEnded();
    this.server.cancelDelivered(isDelivered);
  }
}
