/** How a connection to PostgreSQL comes so far that its first packet may be sent: with TLS, SSLRequest and the handshake;
 *  with `allow` and `prefer`, a second attempt the other way when the first one fails. PostgreSQL manual, "SSL Session
 *  Encryption"; sslmode in "SSL Support" of libpq. */

import { TlsError } from '../reactor/openssl.js';
import type { Receiver, Socket } from '../reactor/reactor.js';
import { ConnectingContext } from '../reactor/tls-context.js';
import { sslRequest } from '../wire/startup.js';
import { ALPN_PROTOCOL } from './limits.js';
import type { Pool } from './pool.js';
import type { ServerTlsSettings } from './settings.js';

const SSL_REQUEST = sslRequest();
const ACCEPTED = 0x53; // S
const REFUSED = 0x4e; // N

/** The contexts of one worker: pools with the same settings share one. */
export class ServerTls {
  private readonly contexts = new Map<ServerTlsSettings, ConnectingContext>();

  /** Throws TlsError. */
  contextOf(settings: ServerTlsSettings): ConnectingContext {
    const { authorities, checksHost, identity } = settings;
    const context =
      this.contexts.get(settings) ??
      new ConnectingContext({ authorities, checksHost, identity, protocol: ALPN_PROTOCOL });
    this.contexts.set(settings, context);
    return context;
  }

  /** Other settings are in force: what is open goes on. */
  forget(): void {
    for (const context of this.contexts.values()) context.free();
    this.contexts.clear();
  }
}

/** Who gets the connection. `onConnected` comes when the first packet may be sent. */
export interface Caller extends Receiver {
  /** It changes when TLS begins. */
  socket: Socket;
  /** There can be no connection as it is wanted; the socket is closed. */
  dialFailed(why: string): void;
}

/** Begins to connect, in the clear or with TLS. Throws SystemError. */
export function dial(pool: Pool, caller: Caller, wish: 'plain' | 'prefer' | 'require'): Socket {
  const { reactor, serverSocketOptions } = pool.plane;
  if (wish === 'plain' || pool.address.kind === 'unix') {
    return reactor.connect(pool.address, serverSocketOptions, caller);
  }
  const request = new TlsRequest(pool, caller, wish === 'require');
  request.socket = reactor.connect(pool.address, serverSocketOptions, request);
  return request.socket;
}

/** The two ways of allow and prefer, the one way of the other modes. */
export class Attempts {
  private readonly pool: Pool;
  private count = 0;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** Begins to connect: the first time, or the other way. Throws SystemError. */
  dial(caller: Caller): Socket {
    const isFirst = this.count++ === 0;
    switch (this.pool.serverTls.mode) {
      case 'disable':
        return dial(this.pool, caller, 'plain');
      case 'require':
        return dial(this.pool, caller, 'require');
      case 'allow':
        return dial(this.pool, caller, isFirst ? 'plain' : 'require');
      case 'prefer':
        return dial(this.pool, caller, isFirst ? 'prefer' : 'plain');
    }
  }

  /** Whether there is another way: `hadTls` tells which one has failed. */
  hasAnother(hadTls: boolean): boolean {
    const { mode } = this.pool.serverTls;
    if (this.count > 1 || this.pool.address.kind === 'unix') return false;
    return mode === 'allow' ? !hadTls : mode === 'prefer' && hadTls;
  }
}

/** From the connection to the answer to SSLRequest. */
class TlsRequest implements Receiver {
  private readonly pool: Pool;
  private readonly caller: Caller;
  private readonly isRequired: boolean;
  /** Set as soon as there is one. */
  socket: Socket | null = null;

  constructor(pool: Pool, caller: Caller, isRequired: boolean) {
    this.pool = pool;
    this.caller = caller;
    this.isRequired = isRequired;
  }

  onConnected(): void {
    this.socket?.send(SSL_REQUEST, 0, SSL_REQUEST.length);
  }

  onWritable(): void {
    // 8 bytes
  }

  onClosed(errno: number): void {
    this.caller.onClosed(errno);
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    const { socket, caller } = this;
    if (begin === end || socket === null) return end;
    const answer = bytes[begin];
    if (answer === ACCEPTED || answer === REFUSED) {
      // What came with the answer was not encrypted, and somebody else may have put it there.
      if (end > begin + 1) this.fail('sent unencrypted data behind its answer to SSLRequest');
      else if (answer === ACCEPTED) this.secure(socket);
      else if (this.isRequired) this.fail('does not offer TLS');
      else {
        socket.receiver = caller;
        caller.onConnected();
      }
    } else this.fail('did not answer SSLRequest as PostgreSQL does');
    return end;
  }

  private secure(socket: Socket): void {
    const { plane, settings, serverTls } = this.pool;
    try {
      const engine = plane.serverTls.contextOf(serverTls).engine(settings.serverHost);
      this.caller.socket = plane.reactor.secure(socket, engine, this.caller);
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      this.fail(`cannot be asked for TLS: ${error.message}`);
    }
  }

  private fail(why: string): void {
    this.socket?.close();
    this.caller.dialFailed(why);
  }
}
