/** Sees to it that a large message between a server and its client does not come to a stop for ever: when nothing of it
 *  has gone on for proxy_copy_data_timeout, both connections end. Not for COPY, which may take its time. */
import { Timer, type TimerTarget } from '../reactor/timers.js';
import type { ServerSession } from './server-session.js';

export class LargeMessageWatch implements TimerTarget {
  private readonly server: ServerSession;
  private readonly timer: Timer;
  /** How much had been relayed when the timer was set. */
  private relayedAtTimer = 0;

  constructor(server: ServerSession) {
    this.server = server;
    this.timer = new Timer(this);
  }

  /** Part of a message is on its way. */
  begin(): void {
    if (this.timer.isSet || !this.isNeeded) return;
    const { reactor, settings } = this.server.pool.plane;
    this.relayedAtTimer = this.relayed;
    reactor.setTimer(this.timer, settings.proxyCopyDataTimeoutMs);
  }

  stop(): void {
    this.server.pool.plane.reactor.clearTimer(this.timer);
  }

  onTimer(): void {
    if (!this.isNeeded) return;
    if (this.relayed !== this.relayedAtTimer) this.begin();
    else this.server.proxyTimedOut();
  }

  /** Whether a message above message_size_to_be_stream is on its way, and it is the client's to go on: to read it or to
   *  send its rest. */
  private get isNeeded(): boolean {
    const { client, pool, socket } = this.server;
    const limit = pool.plane.settings.messageSizeToBeStream;
    if (client === null || limit === 0) return false;
    return this.server.isMidLargeMessage(limit) || (client.isMidLargeMessage(limit) && !socket.isCongested);
  }

  private get relayed(): number {
    return this.server.bytesReceived + this.server.bytesSent;
  }
}
