/** Base64 as RFC 4648 demands it: what Buffer reads without complaint is not base64 yet. */

/** The bytes, or null when the text is not base64: foreign characters, wrong padding, bits left over. */
export function decodeBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : null;
}

/** Base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
