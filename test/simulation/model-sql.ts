/** The grammar of the model's SQL: a small subset of PostgreSQL's; all else is a syntax error. */
import { SqlError, syntaxError } from './model-error.js';
import type { Select, Statement, TransactionStatement } from './model-syntax.js';
import { END, type Token, tokensOf } from './model-tokens.js';

/** So many texts are remembered with what they say: clients say the same again and again. */
const KNOWN_MAX = 10_000;
const KNOWN_LENGTH_MAX = 200;
const known = new Map<string, readonly Statement[] | SqlError>();

/** The statements of a text. All of it must be right before any is run. */
export function statementsOf(sql: string): readonly Statement[] {
  const found = known.get(sql) ?? remember(sql);
  if (found instanceof SqlError) throw found;
  return found;
}

function remember(sql: string): readonly Statement[] | SqlError {
  if (known.size >= KNOWN_MAX) known.clear();
  let statements: readonly Statement[] | SqlError;
  try {
    statements = parsed(sql);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    statements = error;
  }
  if (sql.length <= KNOWN_LENGTH_MAX) known.set(sql, statements);
  return statements;
}

function parsed(sql: string): Statement[] {
  const reader = new Reader(tokensOf(sql));
  const statements: Statement[] = [];
  for (;;) {
    while (reader.takes(';')) {}
    if (reader.isAtEnd) return statements;
    statements.push(statement(reader));
    if (!reader.isAtEnd) reader.expect(';');
  }
}

const NOTICE = /^\s*begin\s+raise\s+notice\s+'((?:[^'%]|'')*)'\s*;\s*end\s*;?\s*$/i;

class Reader {
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  get next(): Token {
    return this.tokens[this.at] ?? END;
  }

  get isAtEnd(): boolean {
    return this.at === this.tokens.length;
  }

  /** Takes these words and symbols if they all are here. */
  takes(...texts: string[]): boolean {
    const isHere = texts.every((text, i) => {
      const token = this.tokens[this.at + i];
      return (token?.type === 'word' || token?.type === 'symbol') && token.text === text;
    });
    if (isHere) this.at += texts.length;
    return isHere;
  }

  expect(...texts: string[]): void {
    for (const text of texts) if (!this.takes(text)) throw this.error();
  }

  take(type: Token['type']): string {
    const { next } = this;
    if (next.type !== type) throw this.error();
    this.at++;
    return next.text;
  }

  takesType(type: Token['type']): boolean {
    return this.next.type === type;
  }

  integer(): number {
    const isNegative = this.takes('-');
    const value = Number(this.take('number'));
    return isNegative ? -value : value;
  }

  error(): SqlError {
    return syntaxError(this.next.text);
  }
}

function statement(reader: Reader): Statement {
  const transaction = transactionStatement(reader);
  if (transaction !== null) return transaction;
  if (reader.takes('select')) return { type: 'select', select: select(reader) };
  if (reader.takes('set')) return set(reader);
  if (reader.takes('show')) return { type: 'show', name: settingName(reader) };
  if (reader.takes('reset')) return reset(reader);
  if (reader.takes('discard', 'all')) return { type: 'discardAll' };
  if (reader.takes('prepare')) return prepare(reader);
  if (reader.takes('execute')) return execute(reader);
  if (reader.takes('deallocate')) {
    reader.takes('prepare');
    return { type: 'deallocate', name: nameOrAll(reader) };
  }
  if (reader.takes('declare')) return declare(reader);
  if (reader.takes('fetch')) return fetch(reader);
  if (reader.takes('close')) return { type: 'close', name: nameOrAll(reader) };
  if (reader.takes('listen')) return { type: 'listen', channel: reader.take('word') };
  if (reader.takes('unlisten')) {
    return { type: 'unlisten', channel: reader.takes('*') ? null : reader.take('word') };
  }
  if (reader.takes('copy')) return copy(reader);
  if (reader.takes('do')) return notice(reader);
  throw reader.error();
}

function transactionStatement(reader: Reader): TransactionStatement | null {
  if (reader.takes('begin')) {
    workOrTransaction(reader);
    return { type: 'begin', tag: 'BEGIN' };
  }
  if (reader.takes('start', 'transaction')) return { type: 'begin', tag: 'START TRANSACTION' };
  if (reader.takes('commit') || reader.takes('end')) {
    workOrTransaction(reader);
    return { type: 'commit' };
  }
  if (reader.takes('rollback')) {
    workOrTransaction(reader);
    if (!reader.takes('to')) return { type: 'rollback' };
    reader.takes('savepoint');
    return { type: 'rollbackTo', name: reader.take('word') };
  }
  if (reader.takes('abort')) {
    workOrTransaction(reader);
    return { type: 'rollback' };
  }
  if (reader.takes('savepoint')) return { type: 'savepoint', name: reader.take('word') };
  if (reader.takes('release')) {
    reader.takes('savepoint');
    return { type: 'release', name: reader.take('word') };
  }
  return null;
}

function workOrTransaction(reader: Reader): void {
  if (!reader.takes('work')) reader.takes('transaction');
}

function nameOrAll(reader: Reader): string | null {
  return reader.takes('all') ? null : reader.take('word');
}

/** What stands behind SELECT. */
function select(reader: Reader): Select {
  if (reader.takesType('string')) return { type: 'text', value: reader.take('string') };
  if (reader.takesType('parameter')) {
    const number = Number(reader.take('parameter'));
    reader.expect('::', 'text');
    return { type: 'parameter', number };
  }
  if (reader.takes('*', 'from')) return { type: 'missing', table: reader.take('word') };
  if (reader.takes('repeat', '(')) {
    const text = reader.take('string');
    reader.expect(',');
    const count = reader.integer();
    reader.expect(')');
    return { type: 'repeat', text, count };
  }
  if (reader.takes('pg_sleep', '(')) {
    const seconds = reader.integer();
    reader.expect(')');
    return { type: 'sleep', seconds };
  }
  if (reader.takes('i', 'from')) return { type: 'series', ...series(reader) };
  const value = reader.integer();
  if (!reader.takes('/')) return { type: 'integer', value };
  if (!reader.takes('(')) return { type: 'division', dividend: value, divisor: reader.integer() };
  const divisor = reader.integer();
  reader.expect('-', 'i', ')', 'from');
  return { type: 'divisions', dividend: value, divisor, ...series(reader) };
}

function series(reader: Reader): { from: number; to: number } {
  reader.expect('generate_series', '(');
  const from = reader.integer();
  reader.expect(',');
  const to = reader.integer();
  reader.expect(')', 'i');
  return { from, to };
}

function selectStatement(reader: Reader): Select {
  reader.expect('select');
  return select(reader);
}

function set(reader: Reader): Statement {
  const isLocal = reader.takes('local');
  if (!isLocal) reader.takes('session');
  const name = settingName(reader);
  if (!reader.takes('to')) reader.expect('=');
  return { type: 'set', name, value: settingValue(reader), isLocal, tag: 'SET' };
}

function settingName(reader: Reader): string {
  return reader.takes('time', 'zone') ? 'timezone' : reader.take('word');
}

function settingValue(reader: Reader): string | null {
  if (reader.takes('default')) return null;
  const { next } = reader;
  if (next.type === 'number') return String(reader.integer());
  return reader.take(next.type === 'word' ? 'word' : 'string');
}

function reset(reader: Reader): Statement {
  if (reader.takes('all')) return { type: 'resetAll' };
  if (reader.takes('role') || reader.takes('session', 'authorization')) return { type: 'resetRole' };
  return { type: 'set', name: settingName(reader), value: null, isLocal: false, tag: 'RESET' };
}

function prepare(reader: Reader): Statement {
  const name = reader.take('word');
  if (reader.takes('(')) reader.expect('text', ')');
  reader.expect('as');
  return { type: 'prepare', name, select: selectStatement(reader) };
}

function execute(reader: Reader): Statement {
  const name = reader.take('word');
  const values: string[] = [];
  if (reader.takes('(')) {
    do values.push(reader.take('string'));
    while (reader.takes(','));
    reader.expect(')');
  }
  return { type: 'execute', name, values };
}

function declare(reader: Reader): Statement {
  const name = reader.take('word');
  reader.expect('cursor');
  const isHold = reader.takes('with', 'hold');
  if (!isHold) reader.takes('without', 'hold');
  reader.expect('for');
  return { type: 'declare', name, isHold, select: selectStatement(reader) };
}

function fetch(reader: Reader): Statement {
  let count = 1;
  if (reader.takes('all')) count = Number.POSITIVE_INFINITY;
  else if (reader.takesType('number')) count = reader.integer();
  else reader.takes('next');
  if (!reader.takes('from')) reader.takes('in');
  return { type: 'fetch', name: reader.take('word'), count };
}

function copy(reader: Reader): Statement {
  if (reader.takes('(')) {
    const rows = selectStatement(reader);
    reader.expect(')', 'to', 'stdout');
    return { type: 'copyOut', select: rows };
  }
  const table = reader.take('word');
  reader.expect('from', 'stdin');
  return { type: 'copyIn', table };
}

function notice(reader: Reader): Statement {
  const [, text] = NOTICE.exec(reader.take('string')) ?? [];
  if (text === undefined) throw reader.error();
  return { type: 'notice', text: text.replaceAll("''", "'") };
}
