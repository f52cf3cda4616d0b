/** What the TLS connections of one kind have in common (SSL_CTX): certificates, and what is asked of the peer. Made from
 *  PEM texts, never from files: who may read those, and when, is the control plane's business. A context that has been
 *  replaced lives on as long as its connections do. */
import { isIP } from 'node:net';
import {
  demandProtocol,
  endPointOfContext,
  expectAddress,
  expectHost,
  freeContext,
  issueTickets,
  newContext,
  offerProtocol,
  type Pointer,
  sendServerName,
  setAcceptState,
  setConnectState,
  useIdentity,
  verifyPeer,
} from './openssl.js';
import { TlsEngine } from './tls-engine.js';

/** A certificate, followed by those that it was signed with, and its key: PEM. */
interface TlsIdentity {
  readonly certificate: string;
  readonly privateKey: string;
}

/** For the side that is connected to. */
export interface AcceptingTls {
  readonly identity: TlsIdentity;
  /** PEM; '': clients need no certificate. */
  readonly clientAuthorities: string;
  /** 80 random bytes, the same for all who are to resume each other's sessions. */
  readonly ticketKeys: Uint8Array;
  /** Whoever offers protocols by ALPN must offer this one. */
  readonly protocol: string;
}

/** For the side that connects. */
export interface ConnectingTls {
  /** Shown when the server asks for it; null: nothing is. */
  readonly identity: TlsIdentity | null;
  /** PEM; '': the server's certificate is not looked at. */
  readonly authorities: string;
  /** The certificate must also be of the host that was connected to. */
  readonly checksHost: boolean;
  /** What is offered by ALPN. */
  readonly protocol: string;
}

export class AcceptingContext {
  private readonly context: Pointer;
  /** What clients may bind their logins to, tls-server-end-point; empty: nothing. */
  readonly endPoint: Uint8Array;

  /** Throws TlsError. */
  constructor({ identity, clientAuthorities, ticketKeys, protocol }: AcceptingTls) {
    this.context = contextWith(true, (context) => {
      useIdentity(context, identity.certificate, identity.privateKey);
      if (clientAuthorities !== '') verifyPeer(context, clientAuthorities, true);
      issueTickets(context, ticketKeys);
      demandProtocol(context, protocol);
    });
    this.endPoint = endPointOfContext(this.context);
  }

  engine(): TlsEngine {
    const engine = TlsEngine.begin(this.context);
    setAcceptState(engine.ssl);
    return engine;
  }

  /** No new connections are made with it. */
  free(): void {
    freeContext(this.context);
  }
}

export class ConnectingContext {
  private readonly context: Pointer;
  private readonly checksHost: boolean;

  /** Throws TlsError. */
  constructor({ identity, authorities, checksHost, protocol }: ConnectingTls) {
    this.checksHost = checksHost;
    this.context = contextWith(false, (context) => {
      if (identity !== null) useIdentity(context, identity.certificate, identity.privateKey);
      if (authorities !== '') verifyPeer(context, authorities, false);
      offerProtocol(context, protocol);
    });
  }

  /** `host`: as it was configured, a name or an address. */
  engine(host: string): TlsEngine {
    const engine = TlsEngine.begin(this.context);
    setConnectState(engine.ssl);
    const isAddress = isIP(host) !== 0;
    if (!isAddress) sendServerName(engine.ssl, host);
    if (this.checksHost && isAddress) expectAddress(engine.ssl, host);
    else if (this.checksHost) expectHost(engine.ssl, host);
    return engine;
  }

  /** No new connections are made with it. */
  free(): void {
    freeContext(this.context);
  }
}

function contextWith(isServer: boolean, prepare: (context: Pointer) => void): Pointer {
  const context = newContext(isServer);
  try {
    prepare(context);
    return context;
  } catch (error) {
    freeContext(context);
    throw error;
  }
}
