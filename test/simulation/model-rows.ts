/** What a SELECT of the model gives: its columns, and its rows one after the other. */
import type { Wait, Waiting } from './model-coroutine.js';
import { SqlError } from './model-error.js';
import type { Select } from './model-syntax.js';

export type Cell = string | number | null;
export type Row = readonly Cell[];

export interface Column {
  readonly name: string;
  readonly typeOid: number;
}

/** Gives the next row, null behind the last, or what is to be waited for before it is asked again. */
export type RowSource = () => Row | Wait | null;

/** Whether there is nothing to wait for. */
export function isRow(row: Row | Wait): row is Row {
  return Array.isArray(row);
}

export type Parameters = readonly (string | null)[];

export const INT4_OID = 23;
export const TEXT_OID = 25;
const VOID_OID = 2278;
const NO_NAME = '?column?';

/** What PostgreSQL finds out when it analyses the SELECT: fails if there is no such table. */
export function columnsOf(select: Select): Column[] {
  switch (select.type) {
    case 'missing':
      throw new SqlError('42P01', `relation "${select.table}" does not exist`);
    case 'text':
      return [{ name: NO_NAME, typeOid: TEXT_OID }];
    case 'parameter':
      return [{ name: 'text', typeOid: TEXT_OID }];
    case 'repeat':
      return [{ name: 'repeat', typeOid: TEXT_OID }];
    case 'sleep':
      return [{ name: 'pg_sleep', typeOid: VOID_OID }];
    case 'series':
      return [{ name: 'i', typeOid: INT4_OID }];
    case 'integer':
    case 'division':
    case 'divisions':
      return [{ name: NO_NAME, typeOid: INT4_OID }];
  }
}

/** … when it plans it: what is constant is computed. */
export function plan(select: Select): void {
  if (select.type === 'division') divided(select.dividend, select.divisor);
}

/** … and when it runs it. */
export function rowsOf(select: Select, parameters: Parameters): RowSource {
  switch (select.type) {
    case 'missing':
      return stored([]);
    case 'text':
    case 'integer':
      return stored([[select.value]]);
    case 'parameter':
      return stored([[parameters[select.number - 1] ?? null]]);
    case 'repeat':
      return stored([[select.text.repeat(Math.max(0, select.count))]]);
    case 'division':
      return stored([[divided(select.dividend, select.divisor)]]);
    case 'sleep':
      return slept(select.seconds * 1000);
    case 'series':
      return computed(select, (i) => i);
    case 'divisions':
      return computed(select, (i) => divided(select.dividend, select.divisor - i));
  }
}

export function stored(rows: readonly Row[]): RowSource {
  let at = 0;
  return () => rows[at++] ?? null;
}

/** All that a source still gives, up to a number. */
export function* collected(source: RowSource, max = Number.POSITIVE_INFINITY): Waiting<Row[]> {
  const rows: Row[] = [];
  while (rows.length < max) {
    const row = source();
    if (row === null) break;
    if (isRow(row)) rows.push(row);
    else yield row;
  }
  return rows;
}

function computed({ from, to }: { from: number; to: number }, value: (i: number) => number): RowSource {
  let i = from;
  return () => (i > to ? null : [value(i++)]);
}

function slept(ms: number): RowSource {
  const rows: (Row | Wait)[] = [{ type: 'sleep', ms }, ['']];
  return () => rows.shift() ?? null;
}

function divided(dividend: number, divisor: number): number {
  if (divisor === 0) throw new SqlError('22012', 'division by zero');
  return Math.trunc(dividend / divisor);
}
