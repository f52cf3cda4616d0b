/** ErrorResponse and NoticeResponse: building ours, and reading what a server sent.
 *  PostgreSQL manual, "Error and Notice Message Fields". */
import { byteAt, textBetween, zeroAt } from './bytes.js';
import type { ClientFacingError } from './client-facing-error.js';
import type { ErrorFields, NoticeSeverity, Severity } from './error-fields.js';
import { MessageWriter } from './message-writer.js';
import { SQLSTATE } from './sqlstate.js';
import { Backend } from './tags.js';

const enum Field {
  Severity = 0x53, // S, may be translated
  SeverityUntranslated = 0x56, // V, since 9.6
  Sqlstate = 0x43, // C
  Message = 0x4d, // M
  Detail = 0x44, // D
  Hint = 0x48, // H
}

/** Bytes of one field that are read: a message that is longer is cut, its end helps nobody. */
export const ERROR_FIELD_LENGTH_MAX = 16_384;

/** The ErrorResponse for an error. `severity` is the error's own unless the connection ends for another reason,
 *  as it does after every error of a login: then 'FATAL'. */
export function errorResponse(error: ClientFacingError, severity: Severity = error.severity): Uint8Array {
  const { sqlstate, message, detail, hint } = error;
  return response(Backend.ErrorResponse, { severity, sqlstate, message, detail, hint });
}

/** A NoticeResponse. Without a `sqlstate` a WARNING gets 01000 and all else 00000, as in PostgreSQL. */
export function noticeResponse(notice: {
  readonly severity: NoticeSeverity;
  readonly message: string;
  readonly sqlstate?: string;
  readonly detail?: string;
  readonly hint?: string;
}): Uint8Array {
  const usual = notice.severity === 'WARNING' ? SQLSTATE.warning : SQLSTATE.successful_completion;
  return response(Backend.NoticeResponse, {
    severity: notice.severity,
    sqlstate: notice.sqlstate ?? usual,
    message: notice.message,
    detail: notice.detail ?? '',
    hint: notice.hint ?? '',
  });
}

/** The fields of an ErrorResponse or NoticeResponse whose body lies in [bodyBegin, bodyEnd). Never throws: what is
 *  missing is '', what is unterminated ends with the body, and of a field that comes twice the first counts. */
export function readErrorResponse(bytes: Uint8Array, bodyBegin: number, bodyEnd: number): ErrorFields {
  const end = Math.min(bodyEnd, bytes.length);
  const texts = new Map<number, string>();
  let at = bodyBegin;
  while (at < end && byteAt(bytes, at) !== 0) {
    const zero = zeroAt(bytes, at + 1, end);
    const textEnd = zero === -1 ? end : zero;
    const type = byteAt(bytes, at);
    if (isKnown(type) && !texts.has(type)) {
      texts.set(type, textBetween(bytes, at + 1, Math.min(textEnd, at + 1 + ERROR_FIELD_LENGTH_MAX)));
    }
    at = textEnd + 1;
  }
  return {
    severity: texts.get(Field.SeverityUntranslated) ?? texts.get(Field.Severity) ?? '',
    sqlstate: texts.get(Field.Sqlstate) ?? '',
    message: texts.get(Field.Message) ?? '',
    detail: texts.get(Field.Detail) ?? '',
    hint: texts.get(Field.Hint) ?? '',
  };
}

function response(tag: Backend, fields: ErrorFields): Uint8Array {
  const writer = MessageWriter.tagged(tag);
  putField(writer, Field.Severity, fields.severity);
  putField(writer, Field.SeverityUntranslated, fields.severity);
  putField(writer, Field.Sqlstate, fields.sqlstate);
  putField(writer, Field.Message, fields.message);
  if (fields.detail !== '') putField(writer, Field.Detail, fields.detail);
  if (fields.hint !== '') putField(writer, Field.Hint, fields.hint);
  return writer.byte(0).finish();
}

/** Texts may name things that a peer or a file has named: a zero byte in them must not end the field early. */
function putField(writer: MessageWriter, type: Field, text: string): void {
  writer.byte(type).string(text.replaceAll('\0', '\ufffd'));
}

function isKnown(type: number): boolean {
  return (
    type === Field.Severity ||
    type === Field.SeverityUntranslated ||
    type === Field.Sqlstate ||
    type === Field.Message ||
    type === Field.Detail ||
    type === Field.Hint
  );
}
