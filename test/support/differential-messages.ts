/** Frontend messages together with the line that lists them. */
import type { Said } from './differential-script.js';
import * as messages from './messages.js';

const LISTED_MAX = 100;

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function said(text: string, bytes: Buffer): Said {
  return { text: text.length > LISTED_MAX ? `${text.slice(0, LISTED_MAX)}… (${text.length})` : text, bytes };
}

export const query = (sql: string): Said => said(`Query ${JSON.stringify(sql)}`, messages.query(sql));

export const parse = (name: string, sql: string, types: number[] = []): Said =>
  said(`Parse ${name} ${JSON.stringify(sql)} [${types}]`, messages.parse(name, sql, types));

/** Bind with parameters in text format and results in the formats given. */
export function bind(
  portal: string,
  statement: string,
  values: (string | null)[],
  formats: number[] = [],
): Said {
  const plain = messages.bind(portal, statement, values);
  const body = plain.subarray(5, plain.length - 2);
  return said(
    `Bind ${portal} ${statement} ${JSON.stringify(values)} [${formats}]`,
    messages.message('B', body, int16(formats.length), ...formats.map(int16)),
  );
}

export const describeStatement = (name: string): Said =>
  said(`Describe S ${name}`, messages.describeStatement(name));
export const describePortal = (name: string): Said =>
  said(`Describe P ${name}`, messages.describePortal(name));
export const execute = (portal: string, rows: number): Said =>
  said(`Execute ${portal} ${rows}`, messages.execute(portal, rows));
export const closeStatement = (name: string): Said => said(`Close S ${name}`, messages.closeStatement(name));
export const closePortal = (name: string): Said =>
  said(`Close P ${name}`, messages.message('C', Buffer.from('P'), messages.string(name)));
export const sync = (): Said => said('Sync', messages.sync());
export const flush = (): Said => said('Flush', messages.flush());
export const copyData = (data: string): Said =>
  said(`CopyData ${JSON.stringify(data)}`, messages.copyData(data));
export const copyDone = (): Said => said('CopyDone', messages.copyDone());
export const copyFail = (why: string): Said => said(`CopyFail ${why}`, messages.copyFail(why));

export const terminate = (): Said => said('Terminate', messages.terminate());

/** FunctionCall with arguments in text format. */
export const functionCall = (oid: number, values: string[]): Said =>
  said(
    `FunctionCall ${oid} ${JSON.stringify(values)}`,
    messages.message(
      'F',
      messages.int32(oid),
      int16(0),
      int16(values.length),
      ...values.flatMap((value) => [messages.int32(Buffer.byteLength(value)), Buffer.from(value)]),
      int16(0),
    ),
  );
