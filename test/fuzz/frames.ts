/** Bytes that may be anything: finding messages in them, and sending them in pieces. */
import type { Socket } from 'node:net';
import type { Message } from '../support/messages.js';

const HEADER_LENGTH = 5;

export interface Frames {
  readonly messages: readonly Message[];
  readonly rest: Buffer;
  /** A length that no message has: there is no telling what follows. */
  readonly isBroken: boolean;
}

export function takeFrames(bytes: Buffer): Frames {
  const messages: Message[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_LENGTH) {
    const length = bytes.readInt32BE(at + 1);
    if (length < 4) return { messages, rest: bytes.subarray(at), isBroken: true };
    const end = at + 1 + length;
    if (end > bytes.length) break;
    messages.push({
      tag: bytes.toString('latin1', at, at + 1),
      body: bytes.subarray(at + HEADER_LENGTH, end),
    });
    at = end;
  }
  return { messages, rest: bytes.subarray(at), isBroken: false };
}

/** What is written meanwhile waits behind the second part. */
export function writeInTwo(socket: Socket, bytes: Buffer, at: number): void {
  socket.write(bytes.subarray(0, at));
  socket.cork();
  socket.write(bytes.subarray(at));
  setImmediate(() => socket.uncork());
}
