/** Values as they stand in a DataRow, in the format that the client has asked for. Text is what the pooler has; binary
 *  is made for drivers that ask for nothing else. PostgreSQL source, the _send functions of each type. */
import { putInt16, putInt32 } from './bytes.js';
import { TypeOid, ValueFormat } from './message-builder.js';

const NUMERIC_DIGIT = 4; // decimal digits in a digit of the base 10000
const NUMERIC_NEGATIVE = 0x4000;

/** The bytes of a value whose text this is, of one of these types; a type without a binary format here stays text,
 *  which is what text in binary is. */
export function encodeValue(text: string, typeOid: number, format: ValueFormat): string | Uint8Array {
  if (format === ValueFormat.Text) return text;
  switch (typeOid) {
    case TypeOid.Bool:
      return Uint8Array.of(text === 't' ? 1 : 0);
    case TypeOid.Int4: {
      const bytes = new Uint8Array(4);
      putInt32(bytes, 0, Number(text));
      return bytes;
    }
    case TypeOid.Numeric:
      return numeric(text);
    default:
      return text;
  }
}

/** A decimal number without exponent: count of digits, weight of the first, sign, decimal digits behind the point, and
 *  digits of the base 10000. */
function numeric(text: string): Uint8Array {
  const isNegative = text.startsWith('-');
  const [whole = '', fraction = ''] = (isNegative ? text.slice(1) : text).split('.');
  const integer = whole.padStart(Math.ceil(whole.length / NUMERIC_DIGIT) * NUMERIC_DIGIT, '0');
  const rest = fraction.padEnd(Math.ceil(fraction.length / NUMERIC_DIGIT) * NUMERIC_DIGIT, '0');
  const digits = (integer + rest).match(/\d{4}/g)?.map(Number) ?? [];
  const first = digits.findIndex((digit) => digit !== 0);
  const last = digits.findLastIndex((digit) => digit !== 0);
  const kept = first < 0 ? [] : digits.slice(first, last + 1);
  const weight = kept.length === 0 ? 0 : integer.length / NUMERIC_DIGIT - 1 - first;
  const bytes = new Uint8Array(8 + 2 * kept.length);
  const fields = [kept.length, weight, isNegative ? NUMERIC_NEGATIVE : 0, fraction.length, ...kept];
  for (const [index, field] of fields.entries()) putInt16(bytes, 2 * index, field);
  return bytes;
}
