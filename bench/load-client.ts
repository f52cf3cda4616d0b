/** One client of a load process: logs in by trust or SCRAM, sends one small query at a time, and tells its owner when the answer
 *  is there. Cheaper than RawConnection: no promise and no timer for a query. */

import { connect, type Socket } from 'node:net';
import { reasonOf } from './errors.js';
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
import { ScramLogin } from './scram-login.js';

export type Stage =
  | 'loggingIn'
  /** Its one query is under way. */
  | 'askingOnce'
  | 'idle'
  /** Sends query after query. */
  | 'running'
  /** Goes when its answer is there, or is on its way out. */
  | 'leaving'
  /** It goes when it has asked, as was agreed at its login. */
  | 'departing';

export interface LoadClientOwner {
  /** The login or a query is over; `error` is what ErrorResponse said, empty if there was none. */
  onReady(client: LoadClient, error: string): void;
  /** Called once; nothing follows. */
  onClosed(client: LoadClient, why: string): void;
}

/** One for all: bytes are looked at before the next read. */
const receiveBuffer = Buffer.allocUnsafe(64 * 1024);

export class LoadClient {
  stage: Stage = 'loggingIn';
  /** When the query under way was sent; 0: none is. performance.now() */
  sentAtMs = 0;
  /** Its place in the recording; -1: in none. */
  place = -1;
  /** Of the query under way. */
  private error = '';
  private why = 'the connection was closed';
  private readonly socket: Socket;
  private readonly scram: ScramLogin;

  constructor(
    readonly id: number,
    address: Address,
    password: string,
    private readonly owner: LoadClientOwner,
  ) {
    this.scram = new ScramLogin(password, (message) => this.socket.write(message));
    const reader = new MessageReader((tag, body) => this.onMessage(tag, body));
    const callback = (length: number) => {
      try {
        reader.push(receiveBuffer.subarray(0, length));
      } catch (error) {
        this.giveUp(reasonOf(error));
      }
      return true;
    };
    const onread = { buffer: receiveBuffer, callback };
    this.socket = connect({ host: '127.0.0.1', port: address.port, noDelay: true, onread });
    this.socket.on('error', (error) => {
      this.why = error.message;
    });
    this.socket.on('close', () => owner.onClosed(this, this.error || this.why));
    this.socket.write(startupMessage(address));
  }

  get localPort(): number {
    return this.socket.localPort ?? 0;
  }

  ask(query: Buffer): void {
    this.error = '';
    this.sentAtMs = performance.now();
    this.socket.write(query);
  }

  /** Says goodbye, when its answer is there. */
  leave(stage: 'leaving' | 'departing' = 'leaving'): void {
    this.stage = stage;
    if (this.sentAtMs === 0) this.socket.end(TERMINATE);
  }

  /** Closes at once. */
  giveUp(why: string): void {
    this.why = why;
    this.socket.destroy();
  }

  private onMessage(tag: number, body: Buffer): void {
    if (tag === READY_FOR_QUERY) this.owner.onReady(this, this.error);
    else if (tag === ERROR_RESPONSE) this.error = errorText(body);
    else if (tag === AUTHENTICATION) this.scram.answer(body);
  }
}
