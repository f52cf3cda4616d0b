/** Parse, Bind, Describe, Execute and Close: the extended protocol. PostgreSQL's src/backend/tcop/postgres.c. */
import type { Message } from '../support/messages.js';
import {
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  commandComplete,
  EMPTY_QUERY_RESPONSE,
  NO_DATA,
  PARSE_COMPLETE,
  PORTAL_SUSPENDED,
  parameterDescription,
  rowDescription,
} from './model-answers.js';
import type { Context } from './model-context.js';
import type { Waiting } from './model-coroutine.js';
import { inFailedTransaction, SqlError } from './model-error.js';
import { analyzed, runPortal } from './model-executor.js';
import { clientOf, type Manners } from './model-manners.js';
import { Portal, type PortalContent } from './model-portals.js';
import { MessageReader } from './model-reader.js';
import { plan, rowsOf, TEXT_OID } from './model-rows.js';
import { isTransactionExit, isTransactionStatement } from './model-simple-query.js';
import { statementsOf } from './model-sql.js';
import type { PreparedStatement } from './model-statements.js';
import type { Statement } from './model-syntax.js';

const EMPTY: PortalContent = { statement: null, parameters: [], formats: [], columns: null, source: null };

export function parse(context: Context, manners: Manners, message: Message): void {
  const reader = new MessageReader(message);
  const [name, sql] = [reader.string(), reader.string()];
  const declaredTypes = reader.list(() => reader.int32());
  reader.end();
  const { transaction, statements, output } = context;
  manners.speaks(clientOf(sql));
  manners.parses(name, statements);
  transaction.startCommand();
  if (name === '') statements.drop('');
  const [statement = null, second] = statementsOf(sql);
  if (second !== undefined)
    throw new SqlError('42601', 'cannot insert multiple commands into a prepared statement');
  if (statement !== null && transaction.hasFailed && !isTransactionExit(statement))
    throw inFailedTransaction();
  // Of what is wrong with a SELECT PostgreSQL sees that first, of other statements the parameters.
  if (statement?.type === 'select' || statement?.type === 'declare') analyzed(context, statement);
  const types = parameterTypes(statement, declaredTypes);
  statements.add(name, {
    statement,
    parameterTypes: types,
    columns: statement === null ? null : analyzed(context, statement),
    isOfSql: false,
    client: clientOf(sql),
  });
  output.put(PARSE_COMPLETE);
}

export function bind(context: Context, manners: Manners, message: Message): void {
  const reader = new MessageReader(message);
  const [portalName, statementName] = [reader.string(), reader.string()];
  const parameterFormats = reader.list(() => reader.int16());
  const parameters = reader.list(() => reader.value());
  const formats = reader.list(() => reader.int16());
  reader.end();
  const { transaction, statements, portals, output } = context;
  manners.uses('Bind', statementName, statements);
  const prepared = statements.get(statementName);
  transaction.startCommand();
  checkParameters(statementName, prepared, parameterFormats.length, parameters.length);
  const { statement, columns } = prepared;
  const isExit = statement !== null && isTransactionExit(statement) && parameters.length === 0;
  if (transaction.hasFailed && !isExit) throw inFailedTransaction();
  portals.makeRoomFor(portalName);
  // Where planning fails an empty portal is left, in a transaction that has failed.
  portals.add(new Portal(portalName, transaction.level, EMPTY));
  const isSelect = statement?.type === 'select';
  if (isSelect) plan(statement.select);
  if (columns !== null && formats.length > 1 && formats.length !== columns.length) {
    throw new SqlError(
      '08P01',
      `bind message has ${formats.length} result formats but query has ${columns.length} columns`,
    );
  }
  const source = isSelect ? rowsOf(statement.select, parameters) : null;
  portals.add(
    new Portal(portalName, transaction.level, {
      statement,
      parameters,
      formats,
      columns: isSelect || statement === null ? columns : analyzed(context, statement),
      source,
    }),
  );
  output.put(BIND_COMPLETE);
}

export function describe(context: Context, manners: Manners, message: Message): void {
  const reader = new MessageReader(message);
  const [kind, name] = [reader.kind(), reader.string()];
  reader.end();
  const { transaction, statements, output } = context;
  if (kind === 'S') manners.uses('Describe', name, statements);
  transaction.startCommand();
  const { columns, formats, parameters } =
    kind === 'S' ? ofStatement(context, name) : ofPortal(context, name);
  if (transaction.hasFailed && columns !== null) throw inFailedTransaction();
  if (parameters !== null) output.put(parameterDescription(parameters));
  output.put(columns === null ? NO_DATA : rowDescription(columns, formats));
}

export function* execute(context: Context, message: Message): Waiting<void> {
  const reader = new MessageReader(message);
  const [name, rowsMax] = [reader.string(), reader.int32()];
  reader.end();
  const { transaction, output } = context;
  const portal = portalNamed(context, name);
  const { statement } = portal.content;
  if (statement === null) {
    output.put(EMPTY_QUERY_RESPONSE);
    return;
  }
  transaction.startCommand();
  const isExit = isTransactionExit(statement) && portal.status !== 'lost';
  if (transaction.hasFailed && !isExit) throw inFailedTransaction();
  const tag = yield* runPortal(context, portal, rowsMax > 0 ? rowsMax : Number.POSITIVE_INFINITY, false);
  if (tag === null) {
    output.put(PORTAL_SUSPENDED);
    transaction.isPipelining = true;
    return;
  }
  if (isTransactionStatement(statement) || statement.type === 'discardAll')
    yield* transaction.finishCommand();
  else transaction.isPipelining = true;
  output.put(commandComplete(tag));
}

export function close(context: Context, message: Message): void {
  const reader = new MessageReader(message);
  const [kind, name] = [reader.kind(), reader.string()];
  reader.end();
  if (kind === 'S') context.statements.drop(name);
  else context.portals.drop(name);
  context.output.put(CLOSE_COMPLETE);
}

function parameterTypes(statement: Statement | null, declared: readonly number[]): number[] {
  const used =
    (statement?.type === 'select' || statement?.type === 'declare') && statement.select.type === 'parameter'
      ? statement.select.number
      : 0;
  return Array.from({ length: Math.max(used, declared.length) }, (_, i) => {
    const type = declared[i] ?? 0;
    if (type === 0 && i + 1 !== used && statement !== null)
      throw new SqlError('42P18', `could not determine data type of parameter $${i + 1}`);
    return i + 1 === used && type === 0 ? TEXT_OID : type;
  });
}

function checkParameters(
  name: string,
  { parameterTypes }: PreparedStatement,
  formats: number,
  values: number,
): void {
  if (formats > 1 && formats !== values)
    throw new SqlError('08P01', `bind message has ${formats} parameter formats but ${values} parameters`);
  if (values !== parameterTypes.length) {
    throw new SqlError(
      '08P01',
      `bind message supplies ${values} parameters, but prepared statement "${name}" requires ${parameterTypes.length}`,
    );
  }
}

function ofStatement({ statements }: Context, name: string) {
  const { columns, parameterTypes } = statements.get(name);
  return { columns, formats: [], parameters: parameterTypes };
}

function ofPortal(context: Context, name: string) {
  const { columns, formats } = portalNamed(context, name).content;
  return { columns, formats, parameters: null };
}

function portalNamed({ portals }: Context, name: string): Portal {
  const portal = portals.find(name);
  if (portal === undefined) throw new SqlError('34000', `portal "${name}" does not exist`);
  return portal;
}
