/** Builders of messages whose content varies and that are sent rarely: at logins, by the admin console, by check-in.
 *  Not for what passes through (framer.ts) nor for what never varies (ready-made.ts), and not for packets without
 *  a tag (startup.ts). PostgreSQL manual, "Message Formats". */
import { putInt32 } from './bytes.js';
import { MessageWriter } from './message-writer.js';
import { Authentication, Backend, Frontend, HEADER_LENGTH, STATEMENT_KIND, TAG_LENGTH } from './tags.js';

const NULL_LENGTH = -1;
const NO_TABLE = 0;
const NO_TYPE_MODIFIER = -1;
const VARIABLE_SIZE = -1;

/** pg_type.oid of the types that the admin console answers in. */
export const enum TypeOid {
  Bool = 16,
  Int8 = 20,
  Int4 = 23,
  Text = 25,
  Float8 = 701,
  Numeric = 1700,
}

/** How a value is written: as people read it, or as its type has it. PostgreSQL manual, "Formats and Format Codes". */
export const enum ValueFormat {
  Text = 0,
  Binary = 1,
}

export interface Column {
  readonly name: string;
  readonly typeOid: number;
}

// Frontend: what the pooler sends to PostgreSQL

/** Query (Q). */
export function query(text: string): Uint8Array {
  return MessageWriter.tagged(Frontend.Query).string(text).finish();
}

/** Parse (P) of a text without parameters. The name ends with a zero. */
export function parse(name: Uint8Array, text: string): Uint8Array {
  return MessageWriter.tagged(Frontend.Parse).raw(name).string(text).int16(0).finish();
}

/** Close (C) of a statement. The name ends with a zero. */
export function closeStatement(name: Uint8Array): Uint8Array {
  return MessageWriter.tagged(Frontend.Close).byte(STATEMENT_KIND).raw(name).finish();
}

/** PasswordMessage (p). The bytes end with a zero and have no other: that one would cut the password (TypeError). */
export function passwordMessage(password: Uint8Array): Uint8Array {
  if (password.indexOf(0) !== password.length - 1 || password.length === 0) {
    throw new TypeError('a password ends with its only zero byte');
  }
  return MessageWriter.tagged(Frontend.Password).raw(password).finish();
}

/** SASLInitialResponse (p). */
export function saslInitialResponse(mechanism: string, data: Uint8Array): Uint8Array {
  return MessageWriter.tagged(Frontend.Password).string(mechanism).int32(data.length).raw(data).finish();
}

/** SASLResponse (p). */
export function saslResponse(data: Uint8Array): Uint8Array {
  return MessageWriter.tagged(Frontend.Password).raw(data).finish();
}

// Backend: what the pooler sends to clients

/** AuthenticationMD5Password (R); the salt has 4 bytes. */
export function authenticationMd5(salt: Uint8Array): Uint8Array {
  return authentication(Authentication.Md5Password).raw(salt).finish();
}

/** AuthenticationSASL (R): the mechanisms, the preferred one first. */
export function authenticationSasl(mechanisms: readonly string[]): Uint8Array {
  const writer = authentication(Authentication.Sasl);
  for (const mechanism of mechanisms) writer.string(mechanism);
  return writer.byte(0).finish();
}

/** Bytes of an Authentication… (R) beside its data. */
export const AUTHENTICATION_HEADER_LENGTH = HEADER_LENGTH + 4;

/** AuthenticationSASLContinue or AuthenticationSASLFinal (R), to where there is room for it. */
export function putAuthentication(
  bytes: Uint8Array,
  request: Authentication.SaslContinue | Authentication.SaslFinal,
  data: Uint8Array,
): void {
  bytes[0] = Backend.Authentication;
  putInt32(bytes, TAG_LENGTH, AUTHENTICATION_HEADER_LENGTH - TAG_LENGTH + data.length);
  putInt32(bytes, HEADER_LENGTH, request);
  bytes.set(data, AUTHENTICATION_HEADER_LENGTH);
}

/** ParameterStatus (S). */
export function parameterStatus(name: string, value: string): Uint8Array {
  return MessageWriter.tagged(Backend.ParameterStatus).string(name).string(value).finish();
}

/** Bytes of a BackendKeyData (K) beside its secret. */
export const KEY_DATA_HEADER_LENGTH = HEADER_LENGTH + 4;

/** BackendKeyData (K), to where there is room for it. The secret has 4 bytes in protocol 3.0. */
export function putBackendKeyData(bytes: Uint8Array, processId: number, secret: Uint8Array): void {
  bytes[0] = Backend.BackendKeyData;
  putInt32(bytes, TAG_LENGTH, KEY_DATA_HEADER_LENGTH - TAG_LENGTH + secret.length);
  putInt32(bytes, HEADER_LENGTH, processId);
  bytes.set(secret, KEY_DATA_HEADER_LENGTH);
}

/** RowDescription (T) of columns that belong to no table, in these formats; text where none is said. */
export function rowDescription(columns: readonly Column[], formats: readonly ValueFormat[] = []): Uint8Array {
  const writer = MessageWriter.tagged(Backend.RowDescription).int16(columns.length);
  for (const [index, { name, typeOid }] of columns.entries()) {
    writer.string(name).int32(NO_TABLE).int16(NO_TABLE);
    writer.int32(typeOid).int16(typeSize(typeOid)).int32(NO_TYPE_MODIFIER);
    writer.int16(formats[index] ?? ValueFormat.Text);
  }
  return writer.finish();
}

/** DataRow (D): texts, or bytes in whatever format the value has; null is NULL. */
export function dataRow(values: readonly (string | Uint8Array | null)[]): Uint8Array {
  const writer = MessageWriter.tagged(Backend.DataRow).int16(values.length);
  for (const value of values) {
    if (value === null) writer.int32(NULL_LENGTH);
    else putCounted(writer, typeof value === 'string' ? Buffer.from(value, 'utf8') : value);
  }
  return writer.finish();
}

/** ParameterDescription (t) of a statement without parameters. */
export function noParameters(): Uint8Array {
  return MessageWriter.tagged(Backend.ParameterDescription).int16(0).finish();
}

/** CommandComplete (C) with the command's tag, as `SHOW` or `SELECT 5`. */
export function commandComplete(tag: string): Uint8Array {
  return MessageWriter.tagged(Backend.CommandComplete).string(tag).finish();
}

function authentication(request: Authentication): MessageWriter {
  return MessageWriter.tagged(Backend.Authentication).int32(request);
}

function putCounted(writer: MessageWriter, value: Uint8Array): void {
  writer.int32(value.length).raw(value);
}

/** pg_type.typlen. Drivers ignore it in text format; tools that show column types do not. */
function typeSize(typeOid: number): number {
  switch (typeOid) {
    case TypeOid.Bool:
      return 1;
    case TypeOid.Int4:
      return 4;
    case TypeOid.Int8:
    case TypeOid.Float8:
      return 8;
    default:
      return VARIABLE_SIZE;
  }
}
