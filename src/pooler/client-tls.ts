/** TLS with the clients of one worker: the context that new connections get, and whose turn it is to shake hands. */
import type { Reactor } from '../reactor/reactor.js';
import { AcceptingContext } from '../reactor/tls-context.js';
import { HandshakeQueue } from './handshake-queue.js';
import { ALPN_PROTOCOL } from './limits.js';
import type { ClientTlsSettings } from './settings.js';

export class ClientTls {
  readonly handshakes: HandshakeQueue;
  /** Nobody may do without, but for a cancel. */
  isRequired = false;
  /** null: TLS is not offered. */
  private current: AcceptingContext | null = null;

  /** Throws TlsError. */
  constructor(reactor: Reactor, settings: ClientTlsSettings) {
    this.handshakes = new HandshakeQueue(reactor, settings.handshakesPerSecond);
    this.replace(settings);
  }

  get context(): AcceptingContext | null {
    return this.current;
  }

  /** For connections from now on; on a TlsError all stays as it was. */
  replace({
    identity,
    clientAuthorities,
    ticketKeys,
    isRequired,
    handshakesPerSecond,
  }: ClientTlsSettings): void {
    const next =
      identity === null
        ? null
        : new AcceptingContext({ identity, clientAuthorities, ticketKeys, protocol: ALPN_PROTOCOL });
    this.current?.free();
    this.current = next;
    this.isRequired = isRequired;
    this.handshakes.setLimit(handshakesPerSecond);
  }
}
