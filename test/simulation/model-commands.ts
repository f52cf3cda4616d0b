/** Runs the statements that PostgreSQL calls utilities: all but SELECT. */
import { COPY_DONE, COPY_OUT_RESPONSE, copyData } from './model-answers.js';
import type { Context } from './model-context.js';
import { copyIn } from './model-copy-in.js';
import type { Waiting } from './model-coroutine.js';
import { SqlError, syntaxError } from './model-error.js';
import { Portal } from './model-portals.js';
import { columnsOf, isRow, type Parameters, plan, rowsOf, TEXT_OID } from './model-rows.js';
import type { Select, Statement } from './model-syntax.js';

/** The only table. */
const SINK = 'sink';

export type Utility = Exclude<Statement, { type: 'select' | 'show' | 'execute' | 'fetch' }>;

/** Returns the tag of CommandComplete. */
export function* runUtility(context: Context, statement: Utility, parameters: Parameters): Waiting<string> {
  const { transaction, settings, statements, portals, listens } = context;
  switch (statement.type) {
    case 'begin':
      transaction.begin();
      return statement.tag;
    case 'commit':
      return transaction.end();
    case 'rollback':
      transaction.abort();
      return 'ROLLBACK';
    case 'savepoint':
      transaction.savepoint(statement.name);
      return 'SAVEPOINT';
    case 'rollbackTo':
      transaction.rollbackTo(statement.name);
      return 'ROLLBACK';
    case 'release':
      transaction.release(statement.name);
      return 'RELEASE';
    case 'set':
      if (statement.isLocal && !transaction.isBlock)
        context.report('WARNING', '25P01', 'SET LOCAL can only be used in transaction blocks');
      settings.set(statement.name, statement.value, statement.isLocal);
      return statement.tag;
    case 'resetAll':
      settings.resetAll();
      return 'RESET';
    case 'resetRole':
      return 'RESET';
    case 'discardAll':
      discardAll(context);
      return 'DISCARD ALL';
    case 'prepare':
      prepare(context, statement.name, statement.select);
      return 'PREPARE';
    case 'deallocate':
      if (statement.name === null) statements.dropAll();
      else {
        statements.get(statement.name);
        statements.drop(statement.name);
      }
      return statement.name === null ? 'DEALLOCATE ALL' : 'DEALLOCATE';
    case 'declare':
      declare(context, statement, parameters);
      return 'DECLARE CURSOR';
    case 'close':
      if (statement.name === null) portals.dropAll();
      else if (!portals.drop(statement.name)) throw noCursor(statement.name);
      return statement.name === null ? 'CLOSE CURSOR ALL' : 'CLOSE CURSOR';
    case 'listen':
      listens.listen(statement.channel);
      return 'LISTEN';
    case 'unlisten':
      listens.unlisten(statement.channel);
      return 'UNLISTEN';
    case 'copyIn':
      if (statement.table !== SINK)
        throw new SqlError('42P01', `relation "${statement.table}" does not exist`);
      return `COPY ${yield* copyIn(context)}`;
    case 'copyOut':
      return `COPY ${yield* copyOut(context, statement.select)}`;
    case 'notice':
      context.report('NOTICE', '00000', statement.text);
      return 'DO';
  }
}

export function noCursor(name: string): SqlError {
  return new SqlError('34000', `cursor "${name}" does not exist`);
}

/** For texts that are run at once, without values for them. */
export function refuseParameters(select: Select): void {
  if (select.type === 'parameter') throw new SqlError('42P02', `there is no parameter $${select.number}`);
}

function discardAll({ transaction, settings, statements, portals, listens }: Context): void {
  transaction.preventBlock('DISCARD ALL');
  portals.dropAll();
  settings.resetAll();
  statements.dropAll();
  listens.unlisten(null);
}

function prepare({ statements }: Context, name: string, select: Select): void {
  const columns = columnsOf(select);
  const count = select.type === 'parameter' ? select.number : 0;
  if (count > 1) throw syntaxError(`$${count}`);
  statements.add(name, {
    statement: { type: 'select', select },
    parameterTypes: Array.from({ length: count }, () => TEXT_OID),
    columns,
    isOfSql: true,
    client: null,
  });
}

function declare(
  { transaction, portals }: Context,
  { name, isHold, select }: Extract<Statement, { type: 'declare' }>,
  parameters: Parameters,
): void {
  if (!isHold && !transaction.isBlock)
    throw new SqlError('25P01', 'DECLARE CURSOR can only be used in transaction blocks');
  plan(select);
  portals.makeRoomFor(name);
  portals.add(
    new Portal(name, transaction.level, {
      statement: { type: 'select', select },
      parameters,
      formats: [],
      columns: columnsOf(select),
      source: rowsOf(select, parameters),
      isHold,
    }),
  );
}

function* copyOut({ output }: Context, select: Select): Waiting<number> {
  columnsOf(select);
  refuseParameters(select);
  plan(select);
  output.put(COPY_OUT_RESPONSE);
  const source = rowsOf(select, []);
  let count = 0;
  for (let row = source(); row !== null; row = source()) {
    if (!isRow(row)) {
      yield row;
      continue;
    }
    output.put(copyData(row));
    count++;
  }
  output.put(COPY_DONE);
  return count;
}
