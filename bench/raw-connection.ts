/** A client that speaks just enough of PostgreSQL's protocol to measure with: it logs in by trust, sends simple queries,
 *  throws the rows away as they come, and feeds COPY. It costs less per byte than psql, so that the pooler is what is
 *  measured. PostgreSQL manual, "Message Formats". */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionFailed } from './errors.js';
import {
  type Address,
  AUTHENTICATION,
  COPY_DATA,
  COPY_IN_RESPONSE,
  DATA_ROW,
  ERROR_RESPONSE,
  errorText,
  HEADER_LENGTH,
  message,
  queryMessage,
  READY_FOR_QUERY,
  startupMessage,
  TERMINATE,
} from './messages.js';

const RETRY_MS = 100;
/** Longest message that is kept to be looked at. Bytes. */
const KEPT_MAX = 64 * 1024;
/** One for all connections: bytes are looked at before the next read. */
const receiveBuffer = Buffer.allocUnsafe(256 * 1024);

export class RawConnection {
  private readonly socket: Socket;
  private readonly header = Buffer.alloc(HEADER_LENGTH);
  private headerLength = 0;
  private bodyLeft = 0;
  private body: Buffer[] = [];
  private received = 0;
  private serverError: ConnectionFailed | null = null;
  private onCopyIn: () => void = () => {};
  /** Ends the wait for ReadyForQuery, if there is one. */
  private settle: (error: Error | null) => void = () => {};

  private constructor(port: number, localAddress: string) {
    const callback = (length: number) => {
      this.onBytes(receiveBuffer, length);
      return true;
    };
    const onread = { buffer: receiveBuffer, callback };
    this.socket = connect({ host: '127.0.0.1', localAddress, port, noDelay: true, onread });
    this.socket.on('error', (error) => this.settle(new ConnectionFailed(error.message)));
    this.socket.on('close', () => this.settle(new ConnectionFailed('the connection was closed')));
  }

  /** A connection that is logged in and idle. Rejects with ConnectionFailed, also after `timeoutMs`. */
  static async open(address: Address, timeoutMs: number, localAddress = '127.0.0.1'): Promise<RawConnection> {
    const connection = new RawConnection(address.port, localAddress);
    connection.socket.write(startupMessage(address));
    await connection.untilReady(timeoutMs);
    return connection;
  }

  /** The same as soon as somebody answers there. `check` is called before each attempt and may throw. */
  static async openWhenUp(
    address: Address,
    timeoutMs: number,
    check: () => void,
    localAddress?: string,
  ): Promise<RawConnection> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      check();
      try {
        return await RawConnection.open(address, timeoutMs, localAddress);
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  /** Sends a simple query, throws its result away, and returns how many bytes it had. Rejects with ConnectionFailed. */
  async query(sql: string, timeoutMs: number): Promise<number> {
    this.received = 0;
    this.socket.write(queryMessage(sql));
    await this.untilReady(timeoutMs);
    return this.received;
  }

  /** Sends a COPY … FROM STDIN and at least `length` bytes of `messages`, which are complete CopyData messages, again
   *  and again. Returns how many bytes were sent. Rejects with ConnectionFailed. */
  async copyIn(sql: string, messages: Buffer, length: number, timeoutMs: number): Promise<number> {
    let sent = 0;
    this.onCopyIn = () => {
      while (sent < length) {
        sent += messages.length;
        if (!this.socket.write(messages)) {
          this.socket.once('drain', this.onCopyIn);
          return;
        }
      }
      this.socket.write(message('c', '')); // CopyDone
    };
    await this.query(sql, timeoutMs);
    return sent;
  }

  /** Says goodbye. */
  close(): void {
    this.socket.end(TERMINATE);
  }

  private untilReady(timeoutMs: number): Promise<void> {
    this.serverError = null;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.settle(new ConnectionFailed(`no answer within ${timeoutMs / 1000} s`));
        this.socket.destroy();
      }, timeoutMs);
      this.settle = (error) => {
        clearTimeout(timer);
        this.settle = () => {};
        if (this.serverError !== null) reject(this.serverError);
        else if (error !== null) reject(error);
        else resolve();
      };
    });
  }

  private onBytes(bytes: Buffer, length: number): void {
    this.received += length;
    let at = 0;
    while (at < length) {
      if (this.headerLength < HEADER_LENGTH) {
        this.header[this.headerLength++] = bytes[at++] ?? 0;
        if (this.headerLength < HEADER_LENGTH) continue;
        this.bodyLeft = this.header.readInt32BE(1) - 4;
      }
      const taken = Math.min(this.bodyLeft, length - at);
      if (taken > 0 && this.isKept()) this.body.push(Buffer.from(bytes.subarray(at, at + taken)));
      this.bodyLeft -= taken;
      at += taken;
      if (this.bodyLeft === 0) this.onMessage();
    }
  }

  private isKept(): boolean {
    const tag = this.header[0];
    return tag !== DATA_ROW && tag !== COPY_DATA && this.bodyLeft <= KEPT_MAX;
  }

  private onMessage(): void {
    this.headerLength = 0;
    const tag = this.header[0];
    if (tag === DATA_ROW || tag === COPY_DATA) return;
    const body = Buffer.concat(this.body);
    this.body = [];
    if (tag === READY_FOR_QUERY) this.settle(null);
    else if (tag === COPY_IN_RESPONSE) this.onCopyIn();
    else if (tag === ERROR_RESPONSE) this.serverError = new ConnectionFailed(errorText(body));
    else if (tag === AUTHENTICATION && body.readInt32BE(0) !== 0)
      this.socket.destroy(new Error('a password is asked for, the benchmark expects trust'));
  }
}

/** `count` CopyData messages of `lines` each. */
export function copyDataMessages(lines: string, count: number): Buffer {
  return Buffer.concat(new Array<Buffer>(count).fill(message('d', lines)));
}
