/** Query: the simple protocol. PostgreSQL's src/backend/tcop/postgres.c, exec_simple_query. */
import { commandComplete, EMPTY_QUERY_RESPONSE } from './model-answers.js';
import { refuseParameters } from './model-commands.js';
import type { Context } from './model-context.js';
import type { Waiting } from './model-coroutine.js';
import { inFailedTransaction, queryCanceled } from './model-error.js';
import { analyzed, runPortal } from './model-executor.js';
import { Portal } from './model-portals.js';
import { plan, rowsOf } from './model-rows.js';
import { statementsOf } from './model-sql.js';
import type { Statement } from './model-syntax.js';

export function* simpleQuery(context: Context, sql: string): Waiting<void> {
  const { transaction, statements, output } = context;
  transaction.startCommand();
  statements.drop('');
  const parsed = statementsOf(sql);
  for (const [i, statement] of parsed.entries()) {
    const isLast = i === parsed.length - 1;
    if (transaction.hasFailed && !isTransactionExit(statement)) throw inFailedTransaction();
    transaction.startCommand();
    if (parsed.length > 1) transaction.beginImplicitBlock();
    const portal = planned(context, statement);
    if (context.isCancelPending) throw queryCanceled();
    const tag = yield* runToItsEnd(context, portal);
    if (isLast && parsed.length > 1) transaction.endImplicitBlock();
    if (isLast || isTransactionStatement(statement)) yield* transaction.finishCommand();
    output.put(commandComplete(tag));
  }
  yield* transaction.finishCommand();
  if (parsed.length === 0) output.put(EMPTY_QUERY_RESPONSE);
}

/** What may be run in a failed transaction. */
export function isTransactionExit({ type }: Statement): boolean {
  return type === 'commit' || type === 'rollback' || type === 'rollbackTo';
}

/** What is finished as soon as it is run. */
export function isTransactionStatement(statement: Statement): boolean {
  const { type } = statement;
  return isTransactionExit(statement) || type === 'begin' || type === 'savepoint' || type === 'release';
}

/** A portal that fails is left until the transaction ends, without its statement. */
function* runToItsEnd(context: Context, portal: Portal): Waiting<string> {
  try {
    const tag = yield* runPortal(context, portal, Number.POSITIVE_INFINITY, true);
    context.portals.drop('');
    return tag ?? '';
  } catch (error) {
    portal.status = 'lost';
    throw error;
  }
}

function planned(context: Context, statement: Statement): Portal {
  const columns = analyzed(context, statement);
  const isSelect = statement.type === 'select';
  if (isSelect || statement.type === 'declare') refuseParameters(statement.select);
  if (isSelect) plan(statement.select);
  context.portals.makeRoomFor('');
  const portal = new Portal('', context.transaction.level, {
    statement,
    parameters: [],
    formats: [],
    columns,
    source: isSelect ? rowsOf(statement.select, []) : null,
  });
  context.portals.add(portal);
  return portal;
}
