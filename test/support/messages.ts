/** Messages as bytes, written and taken apart without the code that is tested. PostgreSQL manual, "Message Formats". */

export interface Message {
  readonly tag: string;
  readonly body: Buffer;
}

const PROTOCOL_3_0 = 196608;
export const PROTOCOL_3_2 = 196610;
export const SSL_REQUEST = 80877103;
export const GSSENC_REQUEST = 80877104;
export const CANCEL_REQUEST = 80877102;

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function string(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** A message with a tag. */
export function message(tag: string, ...parts: Uint8Array[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(1 + length);
  bytes[0] = tag.charCodeAt(0);
  bytes.writeInt32BE(length, 1);
  let at = 5;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A packet without a tag: StartupMessage and the requests in its place. */
export function packet(code: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(body.length + 8), int32(code), body]);
}

export function startup(parameters: Record<string, string>, protocol = PROTOCOL_3_0): Buffer {
  const fields = Object.entries(parameters).flatMap(([name, value]) => [string(name), string(value)]);
  return packet(protocol, ...fields, Buffer.of(0));
}

export const query = (sql: string): Buffer => message('Q', string(sql));
export const parse = (name: string, sql: string, types: number[] = []): Buffer =>
  message('P', string(name), string(sql), int16(types.length), ...types.map(int32));
/** Bind with parameters in text format. */
export const bind = (portal: string, statement: string, values: (string | null)[] = []): Buffer =>
  message(
    'B',
    string(portal),
    string(statement),
    int16(0),
    int16(values.length),
    ...values.flatMap((value) =>
      value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)],
    ),
    int16(0),
  );
export const describeStatement = (name: string): Buffer => message('D', Buffer.from('S'), string(name));
export const describePortal = (name: string): Buffer => message('D', Buffer.from('P'), string(name));
export const execute = (portal = '', rows = 0): Buffer => message('E', string(portal), int32(rows));
export const closeStatement = (name: string): Buffer => message('C', Buffer.from('S'), string(name));
export const sync = (): Buffer => message('S');
export const flush = (): Buffer => message('H');
export const terminate = (): Buffer => message('X');
export const copyData = (data: string | Uint8Array): Buffer => message('d', Buffer.from(data));
export const copyDone = (): Buffer => message('c');
export const copyFail = (why: string): Buffer => message('f', string(why));

/** The fields of an ErrorResponse or NoticeResponse by their letters. */
export function errorFields({ body }: Message): Record<string, string> {
  const fields = body
    .toString('utf8')
    .split('\0')
    .filter((field) => field !== '');
  return Object.fromEntries(fields.map((field) => [field.slice(0, 1), field.slice(1)]));
}

/** The texts of a DataRow. */
export function values({ body }: Message): (string | null)[] {
  const row: (string | null)[] = [];
  for (let at = 2; at < body.length; ) {
    const length = body.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(0, length);
  }
  return row;
}

/** Takes whole messages from the front of what has come. */
export function takeMessages(bytes: Buffer): { messages: Message[]; rest: Buffer } {
  const messages: Message[] = [];
  let at = 0;
  while (at + 5 <= bytes.length) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length) break;
    messages.push({ tag: String.fromCharCode(bytes.readUInt8(at)), body: bytes.subarray(at + 5, end) });
    at = end;
  }
  return { messages, rest: bytes.subarray(at) };
}
