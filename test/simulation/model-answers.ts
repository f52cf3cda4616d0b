/** The messages that a backend sends, as bytes. PostgreSQL manual, "Message Formats". */
import { int32, message, string } from '../support/messages.js';
import { FatalError, type SqlError } from './model-error.js';
import type { Cell, Column, Row } from './model-rows.js';
import { INT4_OID } from './model-rows.js';

const BINARY = 1;
const PROTOCOL_AUTHENTICATION_OK = 0;

export const AUTHENTICATION_OK = message('R', int32(PROTOCOL_AUTHENTICATION_OK));
export const PARSE_COMPLETE = message('1');
export const BIND_COMPLETE = message('2');
export const CLOSE_COMPLETE = message('3');
export const NO_DATA = message('n');
export const PORTAL_SUSPENDED = message('s');
export const EMPTY_QUERY_RESPONSE = message('I');
export const COPY_DONE = message('c');
/** One column, in text format. */
export const COPY_IN_RESPONSE = message('G', Buffer.of(0), int16(1), int16(0));
export const COPY_OUT_RESPONSE = message('H', Buffer.of(0), int16(1), int16(0));

export const commandComplete = (tag: string): Buffer => message('C', string(tag));
export const readyForQuery = (status: string): Buffer => message('Z', Buffer.from(status));
export const backendKeyData = (processId: number, secret: Buffer): Buffer =>
  message('K', int32(processId), secret);
export const parameterStatus = (name: string, value: string): Buffer =>
  message('S', string(name), string(value));
export const parameterDescription = (typeOids: readonly number[]): Buffer =>
  message('t', int16(typeOids.length), ...typeOids.map(int32));

export function errorResponse(error: SqlError): Buffer {
  return report('E', error instanceof FatalError ? 'FATAL' : 'ERROR', error.sqlstate, error.message);
}

export function noticeResponse(severity: 'NOTICE' | 'WARNING', sqlstate: string, text: string): Buffer {
  return report('N', severity, sqlstate, text);
}

export function rowDescription(columns: readonly Column[], formats: readonly number[]): Buffer {
  const fields = columns.map(({ name, typeOid }, i) =>
    Buffer.concat([
      string(name),
      int32(0),
      int16(0),
      int32(typeOid),
      int16(typeOid === INT4_OID ? 4 : -1),
      int32(-1),
      int16(formatOf(formats, i)),
    ]),
  );
  return message('T', int16(columns.length), ...fields);
}

export function dataRow(row: Row, formats: readonly number[]): Buffer {
  const [cell] = row;
  if (row.length === 1 && typeof cell === 'string') return textRow(cell);
  const cells = row.map((cell, i) => {
    const bytes = bytesOf(cell, formatOf(formats, i));
    return bytes === null ? int32(-1) : Buffer.concat([int32(bytes.length), bytes]);
  });
  return message('D', int16(row.length), ...cells);
}

/** The commonest. */
function textRow(cell: string): Buffer {
  const length = Buffer.byteLength(cell);
  const bytes = Buffer.allocUnsafe(11 + length);
  bytes[0] = 0x44; // D
  bytes.writeInt32BE(10 + length, 1);
  bytes.writeInt16BE(1, 5);
  bytes.writeInt32BE(length, 7);
  bytes.write(cell, 11);
  return bytes;
}

/** A line of COPY data. PostgreSQL manual, COPY, "Text Format". */
export function copyData(row: Row): Buffer {
  const cells = row.map((cell) => (cell === null ? '\\N' : escaped(String(cell))));
  return message('d', Buffer.from(`${cells.join('\t')}\n`));
}

export function functionCallResponse(value: Cell): Buffer {
  const bytes = bytesOf(value, 0);
  return message('V', bytes === null ? int32(-1) : Buffer.concat([int32(bytes.length), bytes]));
}

/** One format is that of all columns, none is text. */
function formatOf(formats: readonly number[], column: number): number {
  return (formats.length === 1 ? formats[0] : formats[column]) ?? 0;
}

function bytesOf(cell: Cell, format: number): Buffer | null {
  if (cell === null) return null;
  return typeof cell === 'number' && format === BINARY ? int32(cell) : Buffer.from(String(cell));
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function escaped(text: string): string {
  return text.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}

function report(tag: string, severity: string, sqlstate: string, text: string): Buffer {
  const fields = { S: severity, V: severity, C: sqlstate, M: text };
  return message(
    tag,
    ...Object.entries(fields).map(([letter, value]) => string(letter + value)),
    Buffer.of(0),
  );
}

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}
