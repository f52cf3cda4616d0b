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

/** Bits, not fields: with ten thousand connections that do nothing each word of one counts. */
const enum State {
  /** Receives nothing for now. */
  Holding = 1,
  /** Its peer sends nothing more. */
  Ended = 2,
}

export class RelayEnd implements Receiver {
  /** null until it is accepted or connected. */
  socket: Socket | null;
  /** The other end's socket; null while that is not open. */
  private sink: Socket | null = null;
  private state = 0;
  private readonly link: Link;

  constructor(link: Link, socket: Socket | null) {
    this.link = link;
    this.socket = socket;
  }

  /** Receives nothing for now. */
  hold(): void {
    this.state |= State.Holding;
    this.socket?.pause(false);
  }

  /** Both ends are open from now on. */
  passOnTo(sink: Socket): void {
    this.sink = sink;
    if ((this.state & State.Ended) !== 0) sink.endSending();
    this.goOn();
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const { sink, link } = this;
    if (sink === null) return begin; // held
    sink.send(bytes, begin, end);
    link.port.countPassed(this === link.client ? Passed.FromClients : Passed.ToClients, end - begin);
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
    this.state |= State.Ended;
    this.sink?.endSending();
  }

  onClosed(errno: number): void {
    this.link.closedAt(this, errno);
  }

  private goOn(): void {
    if ((this.state & State.Holding) === 0) return;
    this.state &= ~State.Holding;
    this.socket?.resume();
  }
}
