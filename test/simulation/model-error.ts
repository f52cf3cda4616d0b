/** What ends a command of the model, as PostgreSQL reports it. PostgreSQL manual, Appendix A "PostgreSQL Error Codes". */

/** ERROR: the transaction fails, the session goes on. Thrown by the thousand, and so without a stack. */
export class SqlError {
  readonly sqlstate: string;
  readonly message: string;

  constructor(sqlstate: string, message: string) {
    this.sqlstate = sqlstate;
    this.message = message;
  }
}

/** FATAL: the session ends. */
export class FatalError extends SqlError {}

export function syntaxError(near: string): SqlError {
  return new SqlError(
    '42601',
    near === '' ? 'syntax error at end of input' : `syntax error at or near "${near}"`,
  );
}

export function queryCanceled(): SqlError {
  return new SqlError('57014', 'canceling statement due to user request');
}

export function inFailedTransaction(): SqlError {
  return new SqlError(
    '25P02',
    'current transaction is aborted, commands ignored until end of transaction block',
  );
}
