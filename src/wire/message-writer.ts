/** Writes one message field by field and puts its length in at the end. For messages that are rare: what is sent
 *  per query is ready-made or passed on. PostgreSQL manual, "Message Data Types". */
import { putInt16, putInt32 } from './bytes.js';
import { LENGTH_LENGTH, TAG_LENGTH } from './tags.js';

const FIRST_CAPACITY = 64;

export class MessageWriter {
  // Of Node's pool: memory that is asked of the system for every message costs more than the message.
  private bytes = Buffer.allocUnsafe(FIRST_CAPACITY);
  private at: number;
  private readonly lengthAt: number;

  private constructor(tag: number) {
    this.lengthAt = tag === 0 ? 0 : TAG_LENGTH;
    this.at = this.lengthAt + LENGTH_LENGTH;
    this.bytes[0] = tag;
  }

  static tagged(tag: number): MessageWriter {
    return new MessageWriter(tag);
  }

  /** A packet of the startup phase: length first. */
  static untagged(): MessageWriter {
    return new MessageWriter(0);
  }

  byte(value: number): this {
    this.makeRoom(1);
    this.bytes[this.at++] = value;
    return this;
  }

  int16(value: number): this {
    this.makeRoom(2);
    putInt16(this.bytes, this.at, value);
    this.at += 2;
    return this;
  }

  int32(value: number): this {
    this.makeRoom(4);
    putInt32(this.bytes, this.at, value);
    this.at += 4;
    return this;
  }

  /** UTF-8 and a zero byte. Throws TypeError when the text contains one, which would shift every field behind it. */
  string(text: string): this {
    if (text.includes('\0')) throw new TypeError('a String of the protocol contains no zero byte');
    const length = Buffer.byteLength(text, 'utf8');
    this.makeRoom(length + 1);
    this.bytes.write(text, this.at, 'utf8');
    this.at += length;
    return this.byte(0);
  }

  raw(value: Uint8Array): this {
    this.makeRoom(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  /** The whole message, in memory of its own. */
  finish(): Uint8Array {
    putInt32(this.bytes, this.lengthAt, this.at - this.lengthAt);
    return new Uint8Array(this.bytes.subarray(0, this.at));
  }

  private makeRoom(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + length));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }
}
