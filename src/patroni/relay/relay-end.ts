/** One end of a proxied connection: passes what it receives on to the other end, holds back while that is congested,
 *  and passes the end of its peer on. The data path of patroni_proxy: nothing is made per read.
 *
 *      client ──▶ RelayEnd ──send──▶ RelayEnd ──▶ member          and the other way round
 */
import type { Receiver, Socket } from '../../reactor/reactor.js';
import type { Link } from './link.js';

/** Directions of what is passed on. */
export const enum Passed {
  FromClients,
  ToClients,
  Size,
}

export class RelayEnd implements Receiver {
  /** null until it is accepted or connected. */
  socket: Socket | null;
  /** The other end's socket; null while that is not open. */
  private sink: Socket | null = null;
  private isHolding = false;
  /** Its peer sends nothing more. */
  private hasEnded = false;
  private readonly link: Link;
  private readonly direction: Passed;

  constructor(link: Link, socket: Socket | null, direction: Passed) {
    this.link = link;
    this.socket = socket;
    this.direction = direction;
  }

  /** Receives nothing for now. */
  hold(): void {
    this.isHolding = true;
    this.socket?.pause(false);
  }

  /** Both ends are open from now on. */
  passOnTo(sink: Socket): void {
    this.sink = sink;
    if (this.hasEnded) sink.endSending();
    this.goOn();
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const { sink } = this;
    if (sink === null) return begin; // held
    sink.send(bytes, begin, end);
    this.link.port.countPassed(this.direction, end - begin);
    if (sink.isCongested) this.hold();
    return end;
  }

  onConnected(): void {
    this.link.connected();
  }

  onWritable(): void {
    this.link.otherEnd(this).goOn();
  }

  onEnd(): void {
    this.hasEnded = true;
    this.sink?.endSending();
  }

  onClosed(errno: number): void {
    this.link.closedAt(this, errno);
  }

  private goOn(): void {
    if (!this.isHolding) return;
    this.isHolding = false;
    this.socket?.resume();
  }
}
