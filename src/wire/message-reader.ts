/** Reads a message field by field. For messages that are rare: what passes through is read where it lies. PostgreSQL
 *  manual, "Message Data Types". */
import { byteAt, int32At, textBetween, zeroAt } from './bytes.js';
import { ProtocolViolation } from './client-facing-error.js';

/** Throws ProtocolViolation when a field is not there. */
export class MessageReader {
  private readonly bytes: Uint8Array;
  private at: number;
  private readonly end: number;

  /** The body lies in [bodyAt, bodyEnd). */
  constructor(bytes: Uint8Array, bodyAt: number, bodyEnd: number) {
    this.bytes = bytes;
    this.at = bodyAt;
    this.end = bodyEnd;
  }

  byte(): number {
    return byteAt(this.bytes, this.take(1));
  }

  /** Signed. */
  int16(): number {
    const at = this.take(2);
    return (((byteAt(this.bytes, at) << 8) | byteAt(this.bytes, at + 1)) << 16) >> 16;
  }

  /** Signed. */
  int32(): number {
    return int32At(this.bytes, this.take(4));
  }

  string(): string {
    const zero = zeroAt(this.bytes, this.at, this.end);
    if (zero < 0) throw new ProtocolViolation('invalid string in message');
    const begin = this.take(zero + 1 - this.at);
    return textBetween(this.bytes, begin, zero);
  }

  /** As many Int16 as an Int16 before them says. */
  int16s(): number[] {
    return Array.from({ length: Math.max(0, this.int16()) }, () => this.int16());
  }

  private take(length: number): number {
    const { at } = this;
    if (length > this.end - at) throw new ProtocolViolation('insufficient data left in message');
    this.at += length;
    return at;
  }
}
