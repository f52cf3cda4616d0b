/** Reading what a client sends in a login's conversation. All of it has the tag p, and which it is follows from what
 *  was asked. What is inside SASL data: scram-server.ts. PostgreSQL manual, "SASL Authentication". */
import { equalsAt, int32At, textBetween, zeroAt } from './bytes.js';
import { ProtocolViolation } from './client-facing-error.js';
import { BINDING_MECHANISMS } from './scram-server.js';

const DATA_LENGTH_LENGTH = 4;
const NO_DATA = -1;
const MECHANISMS = BINDING_MECHANISMS.map((name) => ({ name, octets: Buffer.from(name) }));

/** The password in a PasswordMessage (p) of a client, copied, without its zero.
 *  Throws ProtocolViolation when the zero is not the last byte. */
export function readPasswordMessage(bytes: Uint8Array, bodyBegin: number, bodyEnd: number): Uint8Array {
  const zero = zeroAt(bytes, bodyBegin, bodyEnd);
  if (zero === -1 || zero !== bodyEnd - 1) throw new ProtocolViolation('malformed PasswordMessage');
  return copyBetween(bytes, bodyBegin, zero);
}

/** The mechanism and the first data in a SASLInitialResponse (p) of a client, lent; data that was left out is empty.
 *  Throws ProtocolViolation when the lengths do not add up. */
export function readSaslInitialResponse(
  bytes: Uint8Array,
  bodyBegin: number,
  bodyEnd: number,
): { readonly mechanism: string; readonly data: Uint8Array } {
  const zero = zeroAt(bytes, bodyBegin, bodyEnd);
  const dataAt = zero + 1 + DATA_LENGTH_LENGTH;
  if (zero === -1 || dataAt > bodyEnd) throw new ProtocolViolation('malformed SASLInitialResponse');
  const length = int32At(bytes, zero + 1);
  if (length !== bodyEnd - dataAt && !(length === NO_DATA && dataAt === bodyEnd)) {
    throw new ProtocolViolation('malformed SASLInitialResponse');
  }
  return { mechanism: mechanismBetween(bytes, bodyBegin, zero), data: bytes.subarray(dataAt, bodyEnd) };
}

/** Of the usual ones no text is made. */
function mechanismBetween(bytes: Uint8Array, begin: number, end: number): string {
  for (const { name, octets } of MECHANISMS) {
    if (octets.length === end - begin && equalsAt(bytes, begin, octets)) return name;
  }
  return textBetween(bytes, begin, end);
}

/** Not bytes.slice: of a Buffer that would be a view of lent memory. */
function copyBetween(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(begin, end));
}
