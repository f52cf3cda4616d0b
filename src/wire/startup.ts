/** The packets without a tag: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest; and NegotiateProtocolVersion,
 *  which answers the first. PostgreSQL manual, "Message Flow: Start-up" and "Message Formats". */
import { byteAt, int32At, textBetween, zeroAt } from './bytes.js';
import { MalformedStartup } from './client-facing-error.js';
import { MessageWriter } from './message-writer.js';
import { Backend, LENGTH_LENGTH, StartupCode } from './tags.js';

/** Bytes of a packet, length included. What is longer is nobody's who means well: no memory is set aside for it. */
export const STARTUP_LENGTH_MAX = 8192;
/** Bytes of length and code. */
const STARTUP_HEADER_LENGTH = 8;
const CODE_LENGTH = 4;
const PROCESS_ID_LENGTH = 4;
const CANCEL_HEADER_LENGTH = STARTUP_HEADER_LENGTH + PROCESS_ID_LENGTH;
/** Bytes of a cancel key's secret: always 4 up to protocol 3.0, up to 256 since 3.2. */
const CANCEL_SECRET_LENGTH_MIN = 4;
const CANCEL_SECRET_LENGTH_MAX = 256;

const PROTOCOL_MAJOR = 3;
/** The newest minor version that is spoken here: what is new in it is the length of cancel keys. */
export const PROTOCOL_MINOR = StartupCode.Protocol32 & 0xffff;
const OPTION_PREFIX = '_pq_.';
const DEFAULT_APPLICATION_NAME = 'pg_doorman';

export const enum StartupPacket {
  /** So far nothing is wrong with it, and it is not whole yet. */
  Incomplete,
  Startup,
  SslRequest,
  GssEncRequest,
  CancelRequest,
  /** A length that no such packet has: closed without an answer. */
  Violation,
  /** A startup packet of another major version, perhaps not whole. */
  UnsupportedMajor,
}

export interface StartupParameters {
  readonly user: string;
  readonly database: string;
  readonly applicationName: string;
  /** All other parameters in the client's order and spelling; of one that comes twice the last value counts. */
  readonly others: ReadonlyMap<string, string>;
  /** Names of the protocol options (`_pq_.…`) that the client asked for. None is known here. */
  readonly unknownOptions: readonly string[];
  /** x of the protocol 3.x that was asked for. */
  readonly minorVersion: number;
}

export interface CancelKey {
  readonly processId: number;
  readonly secret: Uint8Array;
}

/** What the packet is that begins at `at`. Its whole length is int32At(bytes, at); bytes behind an SSLRequest came
 *  before the answer to it and must not be taken as if they had been encrypted: that is the caller's to refuse. */
export function classifyStartup(bytes: Uint8Array, at: number, end: number): StartupPacket {
  if (end - at < LENGTH_LENGTH) return StartupPacket.Incomplete;
  const length = int32At(bytes, at);
  if (length < STARTUP_HEADER_LENGTH || length > STARTUP_LENGTH_MAX) return StartupPacket.Violation;
  if (end - at < STARTUP_HEADER_LENGTH) return StartupPacket.Incomplete;
  const packet = packetOf(int32At(bytes, at + LENGTH_LENGTH), length);
  const isRefused = packet === StartupPacket.Violation || packet === StartupPacket.UnsupportedMajor;
  return isRefused || end - at >= length ? packet : StartupPacket.Incomplete;
}

function packetOf(code: number, length: number): StartupPacket {
  switch (code) {
    case StartupCode.SslRequest:
      return length === STARTUP_HEADER_LENGTH ? StartupPacket.SslRequest : StartupPacket.Violation;
    case StartupCode.GssEncRequest:
      return length === STARTUP_HEADER_LENGTH ? StartupPacket.GssEncRequest : StartupPacket.Violation;
    case StartupCode.CancelRequest:
      return isSecretLength(length - CANCEL_HEADER_LENGTH)
        ? StartupPacket.CancelRequest
        : StartupPacket.Violation;
    default:
      return code >>> 16 === PROTOCOL_MAJOR ? StartupPacket.Startup : StartupPacket.UnsupportedMajor;
  }
}

/** Reads a StartupMessage. As with every message the body is what follows the length, so it begins with the version.
 *
 *    Int32 version · ( String name · String value )* · Byte 0
 *
 *  Throws MalformedStartup when the pairs do not add up, when anything follows the last zero, or without a user. */
export function readStartupParameters(
  bytes: Uint8Array,
  bodyBegin: number,
  bodyEnd: number,
): StartupParameters {
  if (bodyEnd - bodyBegin < CODE_LENGTH + 1) throw new MalformedStartup('it ends before its parameters');
  const others = readPairs(bytes, bodyBegin + CODE_LENGTH, bodyEnd);
  const user = take(others, 'user') ?? '';
  if (user === '') throw new MalformedStartup('no user name is given');
  const database = take(others, 'database') ?? '';
  const applicationName = take(others, 'application_name') ?? DEFAULT_APPLICATION_NAME;
  const unknownOptions = [...others.keys()].filter((name) => name.startsWith(OPTION_PREFIX));
  for (const name of unknownOptions) others.delete(name);
  return {
    user,
    database: database === '' ? user : database, // PostgreSQL takes an empty name as none, too
    applicationName,
    others,
    unknownOptions,
    minorVersion: int32At(bytes, bodyBegin) & 0xffff,
  };
}

function readPairs(bytes: Uint8Array, begin: number, end: number): Map<string, string> {
  const pairs = new Map<string, string>();
  let at = begin;
  while (at < end && byteAt(bytes, at) !== 0) {
    const nameEnd = zeroAt(bytes, at, end);
    const valueEnd = nameEnd === -1 ? -1 : zeroAt(bytes, nameEnd + 1, end);
    if (valueEnd === -1) throw new MalformedStartup('a parameter has no end or no value');
    pairs.set(textBetween(bytes, at, nameEnd), textBetween(bytes, nameEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
  if (at !== end - 1) throw new MalformedStartup('the terminator is not its last byte');
  return pairs;
}

function take(parameters: Map<string, string>, name: string): string | undefined {
  const value = parameters.get(name);
  parameters.delete(name);
  return value;
}

/** Whether the client must be told by NegotiateProtocolVersion that it gets less than it asked for. */
export function needsNegotiation(parameters: StartupParameters): boolean {
  return parameters.minorVersion > PROTOCOL_MINOR || parameters.unknownOptions.length > 0;
}

/** NegotiateProtocolVersion: we go on with what was asked for but no newer than 3.2, and without these options. The
 *  manual calls the first field the minor version; PostgreSQL sends, and libpq expects, the whole number with the major
 *  in its upper half. */
export function negotiateProtocolVersion({ minorVersion, unknownOptions }: StartupParameters): Uint8Array {
  const writer = MessageWriter.tagged(Backend.NegotiateProtocolVersion)
    .int32((PROTOCOL_MAJOR << 16) | Math.min(minorVersion, PROTOCOL_MINOR))
    .int32(unknownOptions.length);
  for (const option of unknownOptions) writer.string(option);
  return writer.finish();
}

/** The key in the CancelRequest that begins at `at` and was classified as one; the secret is copied.
 *  Throws MalformedStartup when its length is not that of a CancelRequest or the bytes end before it. */
export function readCancelRequest(bytes: Uint8Array, at: number): CancelKey {
  const length = at + LENGTH_LENGTH <= bytes.length ? int32At(bytes, at) : 0;
  if (!isSecretLength(length - CANCEL_HEADER_LENGTH) || at + length > bytes.length) {
    throw new MalformedStartup('a CancelRequest of this length does not exist');
  }
  return {
    processId: int32At(bytes, at + STARTUP_HEADER_LENGTH),
    secret: new Uint8Array(bytes.subarray(at + CANCEL_HEADER_LENGTH, at + length)),
  };
}

/** A StartupMessage of protocol 3.0. Names must not be empty: an empty one would end the list (TypeError). */
export function startupMessage(parameters: Iterable<readonly [name: string, value: string]>): Uint8Array {
  const writer = MessageWriter.untagged().int32(StartupCode.Protocol30);
  for (const [name, value] of parameters) {
    if (name === '') throw new TypeError('a startup parameter has a name');
    writer.string(name).string(value);
  }
  return writer.byte(0).finish();
}

/** A CancelRequest for a connection whose BackendKeyData was these two. */
export function cancelRequest(processId: number, secret: Uint8Array): Uint8Array {
  return MessageWriter.untagged().int32(StartupCode.CancelRequest).int32(processId).raw(secret).finish();
}

/** An SSLRequest, answered by one byte: S or N. */
export function sslRequest(): Uint8Array {
  return MessageWriter.untagged().int32(StartupCode.SslRequest).finish();
}

function isSecretLength(length: number): boolean {
  return length >= CANCEL_SECRET_LENGTH_MIN && length <= CANCEL_SECRET_LENGTH_MAX;
}
