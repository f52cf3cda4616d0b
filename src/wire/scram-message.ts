/** Reading a SCRAM message attribute by attribute: `name=value`, joined by commas. Texts are held with one character
 *  per byte (latin1), so that what is signed is what was sent, whatever it was. RFC 5802 section 7. */

import { byteAt } from './bytes.js';

/** Makes the error that this side of an exchange throws. `what` contains nothing of the message. */
export type ScramFailure = (what: string) => Error;

/** One for all messages, one after another: of objects that live so shortly V8 forgets the shape when it collects
 *  garbage, and with it what it has compiled for them. */
export class ScramMessageReader {
  private readonly fail: ScramFailure;
  private text = '';
  private at = 0;

  constructor(fail: ScramFailure) {
    this.fail = fail;
  }

  /** From now on this message. */
  begin(text: string): this {
    this.text = text;
    this.at = 0;
    return this;
  }

  /** The value of the next attribute, which must have this name. */
  take(name: string): string {
    if (!this.text.startsWith(`${name}=`, this.at)) throw this.fail(`attribute ${name} is missing`);
    const comma = this.text.indexOf(',', this.at);
    const end = comma === -1 ? this.text.length : comma;
    const value = this.text.slice(this.at + name.length + 1, end);
    this.at = end + 1;
    return value;
  }
}

/** Longest message that is read. Bytes. */
const TEXT_MAX = 4096;
/** A message is copied here first: a Buffer over its bytes would be one more object. */
const desk = Buffer.alloc(TEXT_MAX);

/** The message as text. Throws what `fail` makes when it is empty, too long, or contains a zero byte. `lengthMax` is no
 *  more than 4096. */
export function scramText(bytes: Uint8Array, lengthMax: number, fail: ScramFailure): string {
  const { length } = bytes;
  if (length === 0 || length > lengthMax) throw fail('a message has an impossible length');
  for (let i = 0; i < length; i++) {
    const byte = byteAt(bytes, i);
    if (byte === 0) throw fail('a message contains a zero byte');
    desk[i] = byte;
  }
  return desk.toString('latin1', 0, length);
}

/** The bytes of a text made by scramText, for a message that is sent at once: they are part of a larger piece of memory. */
export function scramBytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Printable ASCII without the comma, at least one. */
export function isNonce(text: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(text);
}
