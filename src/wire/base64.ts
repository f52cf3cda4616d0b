/** Base64 as RFC 4648 demands it: what Buffer reads without complaint is not base64 yet. */

/** Short values are copied here first: a Buffer over the bytes would be another object, and for an array that V8 keeps
 *  in its own heap memory of the system's as well. */
const desk = Buffer.alloc(2048);

/** The bytes, or null when the text is not base64: foreign characters, wrong padding, bits left over. */
export function decodeBase64(text: string): Uint8Array | null {
  const bytes = text.length > desk.length ? Buffer.from(text, 'base64') : desk;
  const length = bytes === desk ? desk.write(text, 'base64') : bytes.length;
  return bytes.toString('base64', 0, length) === text ? new Uint8Array(bytes.subarray(0, length)) : null;
}

/** Base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length > desk.length) return Buffer.from(bytes).toString('base64');
  for (let i = 0; i < length; i++) desk[i] = bytes[i] as number;
  return desk.toString('base64', 0, length);
}
