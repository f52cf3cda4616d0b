/** Reading and writing PostgreSQL's integers and strings in byte arrays. Nothing here checks bounds:
 *  the caller has framed the message and knows how long it is. PostgreSQL manual, "Message Data Types". */

/** The byte at an index that is known to be in bounds. */
export function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

/** Int32, signed, network order. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (
    (byteAt(bytes, at) << 24) |
    (byteAt(bytes, at + 1) << 16) |
    (byteAt(bytes, at + 2) << 8) |
    byteAt(bytes, at + 3)
  );
}

/** Writes an Int16 in network order. */
export function putInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes an Int32 in network order. */
export function putInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Where the terminating zero of the String that begins at `at` stands; -1 when there is none before `end`. */
export function zeroAt(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at; i < end; i++) if (bytes[i] === 0) return i;
  return -1;
}

/** The text between two indices. Makes a string: not for every message. */
export function textBetween(bytes: Uint8Array, begin: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + begin, end - begin).toString('utf8');
}

/** Whether the bytes at `at` are exactly these. */
export function equalsAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

/** The bytes between two indices as a string of as many characters, Latin-1: kept, it takes 180 bytes less than a copy
 *  in an array of its own does. */
export function charactersOf(bytes: Uint8Array, begin: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + begin, end - begin).toString('latin1');
}

/** … and back. */
export function bytesOf(characters: string): Uint8Array {
  return new Uint8Array(Buffer.from(characters, 'latin1')); // Buffer's own memory is shared with others
}

/** Whether the bytes at `at` are exactly these characters. */
export function charactersAt(bytes: Uint8Array, at: number, expected: string): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected.charCodeAt(i)) return false;
  return true;
}

/** A copy that keeps nothing else alive; slice() of a Buffer would be a view. */
export function copyOf(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(begin, end));
}
