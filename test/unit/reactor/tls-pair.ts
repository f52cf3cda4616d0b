/** TLS between two ends of a bench: contexts for both sides, from certificates of the tests' own. */
import assert from 'node:assert/strict';
import { AcceptingContext, type AcceptingTls, ConnectingContext } from '../../../src/reactor/tls-context.js';
import { enginesAlive } from '../../../src/reactor/tls-engine.js';
import type { TlsSocket } from '../../../src/reactor/tls-socket.js';
import { Authority } from '../../support/certificates.js';
import { type Bench, End, onEachReactor } from './bench.js';

const protocol = 'a test';
export const authority = new Authority('CA of the tests');
export const ACCEPTING: AcceptingTls = {
  identity: authority.signLocal(),
  clientAuthorities: '',
  ticketKeys: new Uint8Array(80),
  protocol,
};
export const CONNECTING = { identity: null, authorities: authority.pem, checksHost: true, protocol };
export const accepting = new AcceptingContext(ACCEPTING);
export const connecting = new ConnectingContext(CONNECTING);

/** An end whose socket has TLS. */
export class SecureEnd extends End {
  secured: TlsSocket | null = null;

  get failure(): string {
    return this.socket.tlsFailure;
  }
}

/** Two ends connected with each other whose handshake begins. */
export function handshakes(
  bench: Bench,
  begin: (client: SecureEnd, server: SecureEnd) => void,
  { from = connecting, to = accepting, host = 'localhost' } = {},
): void {
  bench.pair((plainClient, plainServer) => {
    const client = new SecureEnd();
    const server = new SecureEnd();
    server.socket = server.secured = bench.secure(plainServer.socket, to.engine(), server);
    client.socket = client.secured = bench.secure(plainClient.socket, from.engine(host), client);
    begin(client, server);
  });
}

/** Two ends connected with each other, their handshake done. */
export function securePair(bench: Bench, begin: (client: SecureEnd, server: SecureEnd) => void): void {
  handshakes(bench, (client, server) => {
    let missing = 2;
    const ready = (): void => {
      if (--missing === 0) bench.after(0, () => begin(client, server));
    };
    client.onConnected = ready;
    server.onConnected = ready;
  });
}

/** As onEachReactor; afterwards every SSL object must have been freed, too. */
export function tlsTest(name: string, body: (bench: Bench) => void): void {
  onEachReactor(name, (bench) => {
    body(bench);
    assert.equal(enginesAlive(), 0);
  });
}
