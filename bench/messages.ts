/** The few messages that the benchmark's own clients send and look at. PostgreSQL manual, "Message Formats". */

import { ConnectionFailed } from './errors.js';

export interface Address {
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

export const HEADER_LENGTH = 5;

export const AUTHENTICATION = 0x52; // R
export const ERROR_RESPONSE = 0x45; // E
export const READY_FOR_QUERY = 0x5a; // Z
export const COPY_IN_RESPONSE = 0x47; // G
export const DATA_ROW = 0x44; // D
export const COPY_DATA = 0x64; // d

const PROTOCOL_30 = 196_608;
/** Longest message that MessageReader takes; answers to what it is used for are a few bytes. */
const READ_MAX = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** A message with that body. */
export function message(tag: string, content: string | Uint8Array): Buffer {
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  const header = Buffer.alloc(HEADER_LENGTH);
  header.write(tag, 'latin1');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

export const TERMINATE = message('X', '');

export function queryMessage(sql: string): Buffer {
  return message('Q', `${sql}\0`);
}

export function startupMessage({ user, database }: Address): Buffer {
  const parameters = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + parameters.length, 0);
  head.writeInt32BE(PROTOCOL_30, 4);
  return Buffer.concat([head, parameters]);
}

/** Severity, SQLSTATE and text of an ErrorResponse. */
export function errorText(body: Buffer): string {
  const fields = body.toString('utf8').split('\0');
  const field = (letter: string) => fields.find((text) => text.startsWith(letter))?.slice(1) ?? '';
  return `${field('S')} ${field('C')}: ${field('M')}`;
}

/** Finds the messages in bytes that come cut anywhere. For small ones: a message is looked at when it is whole. */
export class MessageReader {
  private rest = NOTHING;

  /** The bytes of a body are lent until `onMessage` returns. */
  constructor(private readonly onMessage: (tag: number, body: Buffer) => void) {}

  /** Throws ConnectionFailed for a length that no expected message has. */
  push(received: Buffer): void {
    const bytes = this.rest.length === 0 ? received : Buffer.concat([this.rest, received]);
    let at = 0;
    while (bytes.length - at >= HEADER_LENGTH) {
      const length = bytes.readInt32BE(at + 1);
      if (length < 4 || length > READ_MAX) throw new ConnectionFailed(`a message of ${length} bytes`);
      const end = at + 1 + length;
      if (end > bytes.length) break;
      this.onMessage(bytes[at] ?? 0, bytes.subarray(at + HEADER_LENGTH, end));
      at = end;
    }
    this.rest = at === bytes.length ? NOTHING : Buffer.from(bytes.subarray(at));
  }
}
