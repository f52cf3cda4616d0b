/** Finds the messages in a stream of bytes where they lie: nothing is copied, and only the rest of an unfinished
 *  message is remembered. Answers through its own fields. PostgreSQL manual, "Message Formats". */
import { byteAt, int32At, putInt32 } from './bytes.js';
import { HEADER_LENGTH, LENGTH_LENGTH, TAG_LENGTH } from './tags.js';

export const enum Frame {
  /** The bytes end inside a header; the framer has kept what there was of it. */
  Starved,
  /** A message begins: tag, bodyLength, and the part of its body that is here. */
  Message,
  /** The next part of the body of the message that began earlier. */
  More,
  /** A length that no message has. */
  Violation,
}

/** Where a header did not lie in these bytes as a whole. */
export const SPLIT = -1;

export class Framer {
  private readonly bodyLengthMax: number;
  tag = 0;
  /** Of the whole body, without tag and length. */
  bodyLength = 0;
  /** Where the header begins in these bytes, or SPLIT. */
  headerAt = 0;
  /** The part of the body that is in these bytes. */
  bodyAt = 0;
  bodyEnd = 0;
  /** Bytes of the body that are still to come. */
  remaining = 0;
  /** How much of a split header there is, and its length field so far. */
  private carried = 0;
  private carriedLength = 0;

  constructor(bodyLengthMax: number) {
    this.bodyLengthMax = bodyLengthMax;
  }

  next(bytes: Uint8Array, at: number, end: number): Frame {
    if (this.remaining > 0) return this.takeBody(at, end, this.remaining, Frame.More);
    if (this.carried > 0) return this.nextFromSplit(bytes, at, end);
    if (end - at < HEADER_LENGTH) return this.carry(bytes, at, end);
    this.bodyLength = int32At(bytes, at + 1) - LENGTH_LENGTH;
    if (this.bodyLength < 0 || this.bodyLength > this.bodyLengthMax) return Frame.Violation;
    this.tag = byteAt(bytes, at);
    this.headerAt = at;
    return this.takeBody(at + HEADER_LENGTH, end, this.bodyLength, Frame.Message);
  }

  /** Passes over whole messages of these tags, which come in great numbers: returns where the first other message, or
   *  one that is not all here, begins. */
  skipRows(bytes: Uint8Array, from: number, end: number, tag: number, otherTag: number): number {
    let at = from;
    if (this.remaining > 0 || this.carried > 0) return at;
    while (end - at >= HEADER_LENGTH) {
      const next = byteAt(bytes, at);
      if (next !== tag && next !== otherTag) break;
      const length = int32At(bytes, at + TAG_LENGTH);
      if (length < LENGTH_LENGTH || length > end - at - TAG_LENGTH) break;
      at += TAG_LENGTH + length;
    }
    return at;
  }

  /** Forgets that the message began, so that `next` finds it again; returns from where on it wants the bytes. */
  rewind(): number {
    this.remaining = 0;
    if (this.headerAt !== SPLIT) return this.headerAt;
    this.carried = HEADER_LENGTH;
    this.carriedLength = this.bodyLength + LENGTH_LENGTH;
    return this.bodyAt;
  }

  /** Forgets everything: the same bytes will be given again from the beginning. */
  reset(): void {
    this.remaining = 0;
    this.carried = 0;
    this.carriedLength = 0;
  }

  /** Whether a message, or the header of one, has begun and not ended. */
  get isInside(): boolean {
    return this.remaining > 0 || this.carried > 0;
  }

  /** Whether `next` finds a message even without further bytes: one whose split header was rewound. */
  get hasHeader(): boolean {
    return this.carried === HEADER_LENGTH;
  }

  /** Writes the current message's header, as it came or for a body of another length. */
  writeHeader(into: Uint8Array, at: number, bodyLength: number): void {
    into[at] = this.tag;
    putInt32(into, at + 1, bodyLength + LENGTH_LENGTH);
  }

  /** Says where the body lies and how much of it is still to come. */
  private takeBody(at: number, end: number, length: number, frame: Frame): Frame {
    this.bodyAt = at;
    this.bodyEnd = Math.min(at + length, end);
    this.remaining = length - (this.bodyEnd - at);
    return frame;
  }

  private carry(bytes: Uint8Array, from: number, end: number): Frame {
    for (let at = from; at < end; at++) this.carryByte(byteAt(bytes, at));
    return Frame.Starved;
  }

  private carryByte(byte: number): void {
    if (this.carried === 0) this.tag = byte;
    else this.carriedLength = (this.carriedLength << 8) | byte;
    this.carried++;
  }

  private nextFromSplit(bytes: Uint8Array, from: number, end: number): Frame {
    let at = from;
    while (this.carried < HEADER_LENGTH && at < end) this.carryByte(byteAt(bytes, at++));
    if (this.carried < HEADER_LENGTH) return Frame.Starved;
    this.bodyLength = this.carriedLength - LENGTH_LENGTH;
    this.carried = 0;
    this.carriedLength = 0;
    if (this.bodyLength < 0 || this.bodyLength > this.bodyLengthMax) return Frame.Violation;
    this.headerAt = SPLIT;
    return this.takeBody(at, end, this.bodyLength, Frame.Message);
  }
}
