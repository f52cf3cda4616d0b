/** Reads the StartupMessage. PostgreSQL manual, "Message Formats". */

const PROTOCOL_MAJOR = 3;
const PROTOCOL_MINOR_MAX = 2;
/** MAX_STARTUP_PACKET_LENGTH. Bytes. */
const LENGTH_MAX = 10_000;
const LENGTH_MIN = 8;

type Startup =
  | { readonly type: 'incomplete' }
  | { readonly type: 'violation'; readonly what: string; readonly rest: Buffer }
  | {
      readonly type: 'startup';
      readonly parameters: Readonly<Record<string, string>>;
      readonly rest: Buffer;
    };

/** Takes it from the front of what has come. */
export function takeStartup(bytes: Buffer): Startup {
  if (bytes.length < 4) return { type: 'incomplete' };
  const length = bytes.readInt32BE(0);
  if (length < LENGTH_MIN || length > LENGTH_MAX) return violation(`a StartupMessage of ${length} bytes`);
  if (bytes.length < length) return { type: 'incomplete' };
  const [major, minor] = [bytes.readInt16BE(4), bytes.readInt16BE(6)];
  if (major !== PROTOCOL_MAJOR || minor > PROTOCOL_MINOR_MAX) return violation(`protocol ${major}.${minor}`);
  const fields = bytes.toString('utf8', LENGTH_MIN, length).split('\0');
  const rest = bytes.subarray(length);
  // Names and values in turn, an empty name, and what stands behind the last zero: nothing.
  if (fields.length % 2 !== 0 || fields.at(-1) !== '' || fields.at(-2) !== '')
    return violation('a StartupMessage without its end');
  const parameters: Record<string, string> = {};
  for (let i = 0; i < fields.length - 2; i += 2) parameters[fields[i] ?? ''] = fields[i + 1] ?? '';
  return { type: 'startup', parameters, rest };
}

function violation(what: string): Startup {
  return { type: 'violation', what: `no StartupMessage: ${what}`, rest: Buffer.alloc(0) };
}
