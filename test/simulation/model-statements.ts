/** The prepared statements of a session: those of the protocol and of SQL's PREPARE, which share their names. */
import { SqlError } from './model-error.js';
import type { Column } from './model-rows.js';
import type { Statement } from './model-syntax.js';

export interface PreparedStatement {
  /** null: an empty text. */
  readonly statement: Statement | null;
  readonly parameterTypes: readonly number[];
  /** null when it gives no rows. */
  readonly columns: readonly Column[] | null;
  readonly isOfSql: boolean;
  /** Whose it is, by the comment in its text. */
  readonly client: string | null;
}

/** Names that the pooler gives, whose statements it keeps for other clients. */
const OF_POOLER = /^DOORMAN_/;

export class PreparedStatements {
  private readonly statements = new Map<string, PreparedStatement>();
  /** The names of those that the next client would find. */
  private readonly foreignNames = new Set<string>();
  private unnamed: PreparedStatement | null = null;

  find(name: string): PreparedStatement | null {
    return name === '' ? this.unnamed : (this.statements.get(name) ?? null);
  }

  get(name: string): PreparedStatement {
    const statement = this.find(name);
    if (statement !== null) return statement;
    const what = name === '' ? 'unnamed prepared statement' : `prepared statement "${name}"`;
    throw new SqlError('26000', `${what} does not exist`);
  }

  add(name: string, statement: PreparedStatement): void {
    if (name === '') this.unnamed = statement;
    else if (this.statements.has(name)) {
      throw new SqlError('42P05', `prepared statement "${name}" already exists`);
    } else {
      this.statements.set(name, statement);
      if (statement.isOfSql || !isPoolersName(name)) this.foreignNames.add(name);
    }
  }

  drop(name: string): void {
    if (name === '') this.unnamed = null;
    else this.statements.delete(name);
    this.foreignNames.delete(name);
  }

  /** DEALLOCATE ALL. Does not reach the one without a name. */
  dropAll(): void {
    this.statements.clear();
    this.foreignNames.clear();
  }

  get hasForeign(): boolean {
    return this.foreignNames.size > 0;
  }

  /** What the next client would find. */
  get foreign(): string[] {
    return [...this.foreignNames];
  }
}

export function isPoolersName(name: string): boolean {
  return OF_POOLER.test(name);
}
