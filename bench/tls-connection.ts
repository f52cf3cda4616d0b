/** A client that logs in over TLS by trust and stays. It can say what was agreed on. PostgreSQL manual, "SSL Session
 *  Encryption". */

import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ConnectionFailed } from './errors.js';
import {
  type Address,
  AUTHENTICATION,
  ERROR_RESPONSE,
  errorText,
  MessageReader,
  READY_FOR_QUERY,
  startupMessage,
  TERMINATE,
} from './messages.js';

/** Length 8, then the code. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const ACCEPTED = 0x53; // S

export class TlsConnection {
  private constructor(private readonly socket: TLSSocket) {}

  /** Logged in and idle. Rejects with ConnectionFailed, also after `timeoutMs`. */
  static async open(address: Address, timeoutMs: number): Promise<TlsConnection> {
    const signal = AbortSignal.timeout(timeoutMs);
    const plain = connect({ host: '127.0.0.1', port: address.port, noDelay: true });
    try {
      plain.write(SSL_REQUEST);
      const [answer]: unknown[] = await once(plain, 'data', { signal });
      if (!Buffer.isBuffer(answer) || answer[0] !== ACCEPTED)
        throw new ConnectionFailed('TLS is not offered');
      const secured = connectTls({ socket: plain, rejectUnauthorized: false });
      await once(secured, 'secureConnect', { signal });
      await logIn(secured, address, signal);
      return new TlsConnection(secured);
    } catch (error) {
      plain.destroy();
      throw error instanceof ConnectionFailed ? error : new ConnectionFailed(String(error));
    }
  }

  /** Version, cipher, and what the keys were agreed on with. */
  get agreement(): string {
    const key = this.socket.getEphemeralKeyInfo();
    const group = key !== null && 'name' in key ? key.name : '';
    return `${this.socket.getProtocol()} ${this.socket.getCipher().name} ${group}`;
  }

  /** Says goodbye. */
  close(): void {
    this.socket.end(TERMINATE);
  }
}

/** Resolves at the first ReadyForQuery. */
function logIn(socket: TLSSocket, address: Address, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new ConnectionFailed(why));
    const reader = new MessageReader((tag, body) => {
      if (tag === READY_FOR_QUERY) resolve();
      else if (tag === ERROR_RESPONSE) fail(errorText(body));
      else if (tag === AUTHENTICATION && body.readInt32BE(0) !== 0) fail('a password is asked for');
    });
    socket.on('data', (bytes: Buffer) => reader.push(bytes));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('the connection was closed'));
    signal.addEventListener('abort', () => fail('not logged in in time'), { once: true });
    socket.write(startupMessage(address));
  });
}
