/** One side of a TLS connection as a machine without I/O: ciphertext in and plaintext out, and the other way round.
 *
 *      feed ──▶ incoming ──▶ SSL ──▶ read          write ──▶ SSL ──▶ outgoing ──▶ takeOutput
 *
 *  All engines of a thread share the two BIOs, which are empty between two uses of them: OpenSSL takes in whatever it
 *  is fed, half a record too, until it wants more, and what it puts out is taken at once. So an idle connection has no
 *  buffers, and the BIOs stay in the processor's cache. The state of a connection is its SSL object, which is the
 *  process's: a thread that gives its BIOs to it can go on with it. */
import {
  bioRead,
  bioWrite,
  doHandshake,
  endPointOfPeer,
  errorText,
  giveBios,
  hasAlpn,
  newMemoryBio,
  newSsl,
  type Pointer,
  resetBio,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_ZERO_RETURN,
  sslFree,
  sslGetError,
  sslHasPending,
  sslRead,
  sslShutdown,
  sslWrite,
  takeBios,
  verifyFailure,
  versionOf,
} from './openssl.js';

/** What became of the last step. */
export const enum Tls {
  /** It succeeded. */
  Done,
  /** All that was fed has been taken in, and more is needed. */
  Starved,
  /** The peer has sent close_notify. */
  Ended,
  /** See `failure`; nothing more can be done but to send the alert that is in the output. */
  Failed,
}

const incoming = newMemoryBio();
const outgoing = newMemoryBio();
let alive = 0;

/** Engines of this thread that have not been freed. */
export function enginesAlive(): number {
  return alive;
}

export class TlsEngine {
  readonly ssl: Pointer;
  last = Tls.Done;
  /** OpenSSL's reason why it has failed. */
  failure = '';
  /** Nothing of a record that is not whole has been taken in. Known only after `read` has starved. */
  isBetweenRecords = false;

  private constructor(ssl: Pointer) {
    this.ssl = ssl;
    giveBios(ssl, incoming, outgoing);
    alive++;
  }

  /** For a new connection. */
  static begin(context: Pointer): TlsEngine {
    return new TlsEngine(newSsl(context));
  }

  /** For a connection that another thread has let go, between two records of it or in the middle of one. */
  static goOn(ssl: Pointer): TlsEngine {
    return new TlsEngine(ssl);
  }

  /** The connection is for another thread to go on with; nothing more is to be done with the engine. */
  letGo(): Pointer {
    alive--;
    takeBios(this.ssl);
    return this.ssl;
  }

  /** Puts ciphertext in; it is to be used up before another engine is fed: `read` until it does not succeed. */
  feed(address: number, length: number): void {
    bioWrite(incoming, address, length);
  }

  /** Goes on with the handshake. */
  handshake(): Tls {
    return this.became(doHandshake(this.ssl));
  }

  /** Plaintext to an address; returns how many bytes, 0 when it did not succeed. */
  read(address: number, room: number): number {
    const result = sslRead(this.ssl, address, room);
    if (this.became(result) === Tls.Starved) this.isBetweenRecords = sslHasPending(this.ssl) === 0;
    return Math.max(result, 0);
  }

  /** Encrypts; the output is to be taken before another engine writes. */
  write(address: number, length: number): Tls {
    return this.became(sslWrite(this.ssl, address, length));
  }

  /** Says that nothing more follows. */
  closeNotify(): void {
    if (this.last !== Tls.Failed) sslShutdown(this.ssl);
    errorText();
  }

  /** Ciphertext to an address; returns how many bytes. Less than there is room for: it was all. */
  takeOutput(address: number, room: number): number {
    const result = bioRead(outgoing, address, room);
    return Math.max(result, 0);
  }

  /** Nobody will read what is left of what was fed. */
  forgetInput(): void {
    resetBio(incoming);
  }

  /** Nobody will take what was put out. */
  forgetOutput(): void {
    resetBio(outgoing);
  }

  /** TLSv1.2 or TLSv1.3. */
  get version(): string {
    return versionOf(this.ssl);
  }

  /** Whether a protocol was agreed on by ALPN. */
  get hasProtocol(): boolean {
    return hasAlpn(this.ssl);
  }

  /** See Socket.peerEndPoint. */
  get peerEndPoint(): Uint8Array {
    return endPointOfPeer(this.ssl);
  }

  free(): void {
    alive--;
    sslFree(this.ssl);
  }

  private became(result: number): Tls {
    if (result > 0) this.last = Tls.Done;
    else this.last = this.unsuccessful(sslGetError(this.ssl, result));
    return this.last;
  }

  private unsuccessful(error: number): Tls {
    if (error === SSL_ERROR_WANT_READ) return Tls.Starved;
    this.forgetInput(); // what is left of this connection must not become another's
    if (error === SSL_ERROR_ZERO_RETURN) return Tls.Ended;
    this.failure = errorText() || `error ${error}`;
    if (this.failure.includes('certificate verify failed')) this.failure += `: ${verifyFailure(this.ssl)}`;
    return Tls.Failed;
  }
}
