/** Runs portals, and says what statements give before they are run. PostgreSQL's src/backend/tcop/pquery.c. */
import { dataRow, rowDescription } from './model-answers.js';
import { noCursor, runUtility } from './model-commands.js';
import type { Context } from './model-context.js';
import type { Waiting } from './model-coroutine.js';
import { SqlError } from './model-error.js';
import type { Portal } from './model-portals.js';
import {
  type Column,
  collected,
  columnsOf,
  isRow,
  plan,
  type Row,
  type RowSource,
  rowsOf,
  stored,
  TEXT_OID,
} from './model-rows.js';
import type { PreparedStatement } from './model-statements.js';
import type { Statement } from './model-syntax.js';

/** The columns of what it gives, null if it gives no rows; fails for what PostgreSQL finds wrong that early. */
export function analyzed(context: Context, statement: Statement): readonly Column[] | null {
  switch (statement.type) {
    case 'select':
      return columnsOf(statement.select);
    case 'declare':
      columnsOf(statement.select);
      return null;
    case 'show':
      return [{ name: context.settings.nameOf(statement.name), typeOid: TEXT_OID }];
    case 'fetch':
      return context.portals.find(statement.name)?.content.columns ?? null;
    case 'execute':
      return context.statements.find(statement.name)?.columns ?? null;
    default:
      return null;
  }
}

/** Runs a portal, up to a number of rows. Returns the tag of CommandComplete; null when there may be more rows. */
export function* runPortal(
  context: Context,
  portal: Portal,
  rowsMax: number,
  isDescribed: boolean,
): Waiting<string | null> {
  begins(portal);
  try {
    const { statement, columns, formats, parameters } = portal.content;
    if (statement === null) {
      ends(portal);
      return '';
    }
    let tag: string | null;
    switch (statement.type) {
      case 'show':
      case 'fetch':
      case 'execute':
        portal.source ??= stored(yield* rowsOfUtility(context, portal, statement));
        tag = yield* runRows(context, portal, rowsMax, isDescribed ? columns : null, formats);
        break;
      case 'select':
        tag = yield* runRows(context, portal, rowsMax, isDescribed ? columns : null, formats);
        break;
      default:
        tag = yield* runUtility(context, statement, parameters);
        portal.status = 'done';
    }
    ends(portal);
    return tag;
  } catch (error) {
    portal.status = 'failed';
    throw error;
  }
}

/** While something runs a portal it is active; where that fails the portal has failed. */
function begins(portal: Portal): void {
  if (portal.status !== 'ready') throw new SqlError('55000', `portal "${portal.name}" cannot be run`);
  portal.status = 'active';
}

function ends(portal: Portal): void {
  if (portal.status === 'active') portal.status = 'ready';
}

/** `columns`: to be told first; null when they are not. */
function* runRows(
  { output }: Context,
  portal: Portal,
  rowsMax: number,
  columns: readonly Column[] | null,
  formats: readonly number[],
): Waiting<string | null> {
  if (columns !== null) output.put(rowDescription(columns, formats));
  let count = 0;
  while (count < rowsMax && !portal.isAtEnd) {
    const row = portal.source?.() ?? null;
    if (row === null) portal.isAtEnd = true;
    else if (!isRow(row)) yield row;
    else {
      output.put(dataRow(row, formats));
      count++;
    }
  }
  if (!portal.isAtEnd) return null;
  return portal.tag === 'SHOW' ? 'SHOW' : `${portal.tag} ${count}`;
}

/** All of them, before the first is sent. */
function* rowsOfUtility(
  context: Context,
  portal: Portal,
  statement: Extract<Statement, { type: 'show' | 'fetch' | 'execute' }>,
): Waiting<Row[]> {
  switch (statement.type) {
    case 'show':
      portal.tag = 'SHOW';
      return [[context.settings.shown(statement.name)]];
    case 'fetch':
      portal.tag = 'FETCH';
      return yield* fetched(context, statement.name, statement.count);
    case 'execute':
      return yield* executed(context.statements.get(statement.name), statement.name, statement.values);
  }
}

function* fetched({ portals }: Context, name: string, count: number): Waiting<Row[]> {
  const cursor = portals.find(name);
  if (cursor === undefined) throw noCursor(name);
  begins(cursor);
  try {
    const next = (): ReturnType<RowSource> => {
      if (cursor.isAtEnd) return null;
      const row = cursor.source?.() ?? null;
      if (row === null) cursor.isAtEnd = true;
      return row;
    };
    const rows = yield* collected(next, count);
    ends(cursor);
    return rows;
  } catch (error) {
    cursor.status = 'failed';
    throw error;
  }
}

function* executed(prepared: PreparedStatement, name: string, values: readonly string[]): Waiting<Row[]> {
  const count = prepared.parameterTypes.length;
  // Where none are wanted PostgreSQL does not look at them.
  if (count > 0 && values.length !== count)
    throw new SqlError('42601', `wrong number of parameters for prepared statement "${name}"`);
  const { statement } = prepared;
  if (statement?.type !== 'select')
    throw new SqlError('0A000', `the model does not EXECUTE what is not a SELECT: "${name}"`);
  plan(statement.select);
  return yield* collected(rowsOf(statement.select, values));
}
