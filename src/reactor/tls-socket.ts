/** TLS over another socket. A session cannot tell it from a plain one: queue, back-pressure, pausing, kept bytes and
 *  the way to the end are those of every StreamSocket, whose kernel is here the socket below.
 *
 *      send ──▶ [ segments ] ──▶ flush: encrypted, a record for many messages ──▶ socket below
 *      socket below ──▶ decrypted where it lies ──▶ onBytes, or kept while paused
 *
 *  Until the handshake is done the state is Connecting. Of a connection that is handed to another thread nothing has to
 *  be known but the socket below and the SSL object, once nothing is kept or unsent (tls-engine.ts). RFC 8446; SSL_read
 *  and SSL_write, section 3ssl. */
import { LARGE_BYTES, NO_BUFFER, SMALL_BYTES } from './buffers.js';
import { Errno } from './libc.js';
import type { DetachedSocket, Leaver, PeerAddress, Receiver, Socket } from './reactor.js';
import { NONE } from './segments.js';
import { type SocketHost, SocketState, StreamSocket } from './stream-socket.js';
import { Tls, type TlsEngine } from './tls-engine.js';
import { Bug } from './words.js';

/** So much is encrypted for one connection before others have their turn. Bytes. */
const ENCRYPTED_AT_ONCE_MAX = 128 * 1024;
/** What a record has beside its content, and some more: output of small records then fits in one piece. Bytes. */
const RECORD_EXTRA = 128;
/** Output of unknown length is taken in pieces of this. Bytes. */
const OUTPUT_PIECE = 1024;
/** type, version, length */
const RECORD_HEADER = 5;
const APPLICATION_DATA = 23;

export class TlsSocket extends StreamSocket implements Receiver, Leaver {
  private readonly below: Socket;
  private readonly engine: TlsEngine;
  /** TLSv1.2 or TLSv1.3, once the handshake is done. */
  version = '';
  /** Whether both sides have agreed on a protocol by ALPN. */
  hasProtocol = false;
  /** The socket below finds its end by itself. */
  private hasLetGo = false;

  private constructor(
    host: SocketHost,
    below: Socket,
    engine: TlsEngine,
    state: SocketState,
    receiver: Receiver,
  ) {
    super(host, state, receiver);
    this.below = below;
    this.engine = engine;
    below.receiver = this;
  }

  /** Takes the socket over; the side that connects begins the handshake. */
  static begin(host: SocketHost, below: Socket, engine: TlsEngine, receiver: Receiver): TlsSocket {
    const begun = new TlsSocket(host, below, engine, SocketState.Connecting, receiver);
    below.resume();
    if (engine.handshake() === Tls.Failed) throw new Bug(`a handshake cannot begin: ${engine.failure}`);
    begun.passOutput(0);
    return begun;
  }

  /** A connection that another thread has had, paused. */
  static goOn(host: SocketHost, below: Socket, engine: TlsEngine, receiver: Receiver): TlsSocket {
    const attached = new TlsSocket(host, below, engine, SocketState.Open, receiver);
    attached.version = engine.version;
    attached.hasProtocol = engine.hasProtocol;
    attached.pause(false);
    return attached;
  }

  override get isTls(): boolean {
    return true;
  }

  /** In OpenSSL's words. */
  override get tlsFailure(): string {
    return this.engine.failure;
  }

  override get peerEndPoint(): Uint8Array {
    return this.engine.peerEndPoint;
  }

  peerAddress(): PeerAddress {
    return this.below.peerAddress();
  }

  // ── from the socket below ──────────────────────────────────────────────────────────────────────────────────────

  onConnected(): void {
    // it was, before it came here
  }

  onWritable(): void {
    if (this.unsent > 0) this.wantFlush();
  }

  onClosed(errno: number): void {
    this.hasLetGo = true;
    this.ended(errno);
  }

  onBytes(bytes: Uint8Array, begin: number, end: number): number {
    if (begin === end || this.state > SocketState.Open) return end;
    const isOneRecord = this.engine.isBetweenRecords && isRecord(bytes, begin, end);
    this.engine.feed(this.host.buffers.address + begin, end - begin);
    if (this.state === SocketState.Connecting && !this.shakesHands()) return end;
    const plainEnd = this.decrypt(begin, end, isOneRecord);
    if (plainEnd === end) this.decryptRest(begin, end);
    else this.handOut(begin, plainEnd);
    return end;
  }

  /** Whether the handshake is done. */
  private shakesHands(): boolean {
    const progress = this.engine.handshake();
    if (progress === Tls.Failed || progress === Tls.Ended) this.fail();
    else this.passOutput(0);
    return progress === Tls.Done;
  }

  /** Plaintext takes the place of the ciphertext, which the engine has taken in. Returns where it ends; when there was
   *  no room for more, the engine may have more. */
  private decrypt(begin: number, end: number, isOneRecord: boolean): number {
    const { engine } = this;
    const { address } = this.host.buffers;
    let at = begin;
    do at += engine.read(address + at, end - at);
    while (engine.last === Tls.Done && at < end && !isOneRecord);
    if (engine.last !== Tls.Done) this.passOutput(0); // an answer to a KeyUpdate, an alert
    return at;
  }

  /** A record that had begun before was longer than what came now: a buffer of ours takes what is left of it. */
  private decryptRest(begin: number, end: number): void {
    const { buffers } = this.host;
    const buffer = buffers.takeLarge();
    if (buffer === NO_BUFFER) {
      this.engine.forgetInput();
      return this.abort(); // what follows must not take the place of what is lost
    }
    try {
      const restBegin = buffers.beginOf(buffer);
      const restEnd = this.decrypt(restBegin, restBegin + LARGE_BYTES, false);
      this.handOut(begin, end, restBegin, restEnd);
    } finally {
      buffers.release(buffer);
    }
  }

  /** The engine is done with: sessions may do what they like. */
  private handOut(begin: number, end: number, restBegin = 0, restEnd = 0): void {
    const { last } = this.engine;
    if (this.state === SocketState.Connecting) this.isSecure();
    if (begin < end) this.deliver(begin, end - begin);
    if (restBegin < restEnd) this.deliver(restBegin, restEnd - restBegin);
    if (last === Tls.Ended) this.ended(0);
    else if (last === Tls.Failed) this.fail();
  }

  private isSecure(): void {
    this.state = SocketState.Open;
    this.version = this.engine.version;
    this.hasProtocol = this.engine.hasProtocol;
    this.receiver.onConnected();
    if (this.unsent > 0) this.wantFlush();
  }

  /** The peer is sent the alert, if there is one, and nothing more. */
  private fail(): void {
    if (this.state === SocketState.Closing) return;
    this.passOutput(0);
    this.letGoBelow();
    this.ended(Errno.EPROTO);
  }

  // ── to another thread ──────────────────────────────────────────────────────────────────────────────────────────

  /** All of ours has gone down: now the socket below is to leave, and takes us along. */
  override leaveIfQuiet(): boolean {
    if (!this.hasNothingLeft) return false;
    this.below.detach(this);
    return true;
  }

  onDetached({ fd }: DetachedSocket): void {
    this.hasLetGo = true;
    const ssl = this.engine.letGo();
    this.left({ fd, ssl });
  }

  override stay(): void {
    this.below.stay();
    super.stay();
  }

  override closeAfterSend(): void {
    this.below.stay();
    super.closeAfterSend();
  }

  // ── to the socket below ────────────────────────────────────────────────────────────────────────────────────────

  protected startReceiving(): void {
    this.below.resume();
  }

  protected stopReceiving(): void {
    // While it leaves, the socket below must have nothing kept.
    if (!this.isDetaching) this.below.pause(this.seesEnd);
  }

  protected startSending(): void {
    // It says when there is room again. At the end all goes down, where the rest of it is waited for.
    if (this.below.isCongested && this.state === SocketState.Open) return;
    const { segments, buffers } = this.host;
    let taken = 0;
    for (
      let segment = this.sendHead;
      segment !== NONE && taken < ENCRYPTED_AT_ONCE_MAX;
      segment = segments.nextOf(segment)
    ) {
      const length = segments.lengthOf(segment);
      if (this.engine.write(buffers.address + segments.beginOf(segment), length) !== Tls.Done)
        return this.fail();
      taken += length;
    }
    this.passOutput(taken + (taken >> 4) + RECORD_EXTRA);
    this.sent(taken);
  }

  protected shutSending(): void {
    this.engine.closeNotify();
    this.passOutput(0);
    this.letGoBelow();
    this.close();
  }

  protected watchFailure(): void {
    // the socket below tells of it
  }

  protected release(): void {
    this.dropUnsent();
    this.engine.free();
    if (!this.hasLetGo) this.below.close();
  }

  private letGoBelow(): void {
    this.hasLetGo = true;
    this.below.closeAfterSend();
  }

  /** Sends all that the engine has put out: about so much, or 0 when that is not known. */
  private passOutput(expected: number): void {
    const { engine } = this;
    const { outbox, buffers } = this.host;
    if (expected > SMALL_BYTES && this.passLargeOutput()) return;
    for (;;) {
      const room = outbox.room(expected === 0 ? OUTPUT_PIECE : expected);
      if (room === 0) {
        engine.forgetOutput();
        this.runOutOfMemory(0);
        return this.wantFlush(); // which ends it
      }
      const begin = outbox.at;
      const length = engine.takeOutput(buffers.address + begin, room);
      outbox.at = begin + length;
      this.below.send(buffers.memory, begin, begin + length);
      if (length < room) return;
    }
  }

  /** In one piece, in a buffer of its own. False when there may be more. */
  private passLargeOutput(): boolean {
    const { buffers } = this.host;
    const buffer = buffers.takeLarge();
    if (buffer === NO_BUFFER) return false;
    const begin = buffers.beginOf(buffer);
    const length = this.engine.takeOutput(buffers.address + begin, LARGE_BYTES);
    this.below.send(buffers.memory, begin, begin + length);
    buffers.release(buffer);
    return length < LARGE_BYTES;
  }
}

/** Whether it is one record of application data, and nothing else. */
function isRecord(bytes: Uint8Array, begin: number, end: number): boolean {
  if (end - begin < RECORD_HEADER || bytes[begin] !== APPLICATION_DATA) return false;
  const length = ((bytes[begin + 3] as number) << 8) | (bytes[begin + 4] as number);
  return begin + RECORD_HEADER + length === end;
}
