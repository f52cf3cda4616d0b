/** Takes whole frontend messages from a stream, and sees where it is none. PostgreSQL manual, "Message Formats". */
import type { Message } from '../support/messages.js';

const HEADER_LENGTH = 5;
/** Of the length field itself. */
const LENGTH_MIN = 4;
/** PQ_LARGE_MESSAGE_LIMIT. Bytes. */
const LENGTH_MAX = 0x3fffffff;

interface Taken {
  readonly messages: readonly Message[];
  readonly rest: Buffer;
  /** '' when there is none. */
  readonly violation: string;
}

export function takeWholeMessages(bytes: Buffer): Taken {
  const messages: Message[] = [];
  let at = 0;
  while (at + HEADER_LENGTH <= bytes.length) {
    const length = bytes.readInt32BE(at + 1);
    if (length < LENGTH_MIN || length > LENGTH_MAX) {
      return {
        messages,
        rest: bytes.subarray(at),
        violation: `no message of the protocol: length ${length}`,
      };
    }
    const end = at + 1 + length;
    if (end > bytes.length) break;
    messages.push({
      tag: String.fromCharCode(bytes.readUInt8(at)),
      body: bytes.subarray(at + HEADER_LENGTH, end),
    });
    at = end;
  }
  return { messages, rest: bytes.subarray(at), violation: '' };
}
