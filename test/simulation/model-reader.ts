/** Reads the fields of a frontend message. PostgreSQL manual, "Message Formats". */
import type { Message } from '../support/messages.js';
import { SqlError } from './model-error.js';

/** The message is not what its tag says. */
export class MalformedMessage extends SqlError {
  constructor({ tag }: Message) {
    super('08P01', `invalid message format in ${tag}`);
  }
}

export class MessageReader {
  private readonly message: Message;
  private at = 0;

  constructor(message: Message) {
    this.message = message;
  }

  string(): string {
    const end = this.message.body.indexOf(0, this.at);
    if (end < 0) throw new MalformedMessage(this.message);
    const text = this.message.body.toString('utf8', this.at, end);
    this.at = end + 1;
    return text;
  }

  int16(): number {
    return this.bytes(2).readInt16BE(0);
  }

  int32(): number {
    return this.bytes(4).readInt32BE(0);
  }

  /** 'S' or 'P'. */
  kind(): string {
    const kind = this.bytes(1).toString('latin1');
    if (kind !== 'S' && kind !== 'P') throw new MalformedMessage(this.message);
    return kind;
  }

  /** With their length, which is -1 for null. */
  value(): string | null {
    const length = this.int32();
    if (length === -1) return null;
    return this.bytes(length).toString('utf8');
  }

  /** With their number before them. */
  list<T>(read: () => T): T[] {
    const count = this.int16();
    if (count < 0) throw new MalformedMessage(this.message);
    return Array.from({ length: count }, read);
  }

  /** There must be nothing more. */
  end(): void {
    if (this.at !== this.message.body.length) throw new MalformedMessage(this.message);
  }

  private bytes(count: number): Buffer {
    const { body } = this.message;
    if (count < 0 || this.at + count > body.length) throw new MalformedMessage(this.message);
    this.at += count;
    return body.subarray(this.at - count, this.at);
  }
}
