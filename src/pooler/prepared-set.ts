/** What is prepared on one server, confirmed or on its way: at most prepared_statements_cache_size of them for long;
 *  of those too many the ones that were unused for longest go first. By name, since names follow from the content. */
import type { Statement } from './statements.js';

export class PreparedSet {
  private readonly byName = new Map<string, Prepared>();
  private readonly sizeMax: number;
  private readonly retired: Statement[] = [];
  /** The one that was found last: what a Parse names is named again by the Bind behind it. */
  private lastFound: Statement | null = null;

  constructor(sizeMax: number) {
    this.sizeMax = sizeMax;
  }

  get size(): number {
    return this.byName.size;
  }

  /** Whether one should go before another comes. */
  get hasSurplus(): boolean {
    return this.byName.size >= this.sizeMax || this.retired.length > 0;
  }

  has(statement: Statement): boolean {
    if (statement === this.lastFound) return true;
    if (!this.byName.has(statement.nameText)) return false;
    this.lastFound = statement;
    return true;
  }

  add(statement: Statement): void {
    this.byName.set(statement.nameText, new Prepared(statement));
  }

  delete({ nameText }: Statement): void {
    this.lastFound = null;
    this.byName.delete(nameText);
  }

  /** It will not be used any more: the next to go, if it is there. */
  retire(statement: Statement): void {
    if (this.has(statement)) this.retired.push(statement);
  }

  /** Forgets all but these. */
  keepOnly(statements: readonly (Statement | null)[]): void {
    this.lastFound = null;
    this.byName.clear();
    this.retired.length = 0;
    for (const each of statements) if (each !== null) this.add(each);
  }

  /** Takes out one that is retired or was not used for long: the first that came, unless it was used since it was last
   *  looked at. Throws RangeError when there is none. */
  takeSurplus(): Statement {
    this.lastFound = null;
    const retired = this.retired.pop();
    if (retired !== undefined) {
      this.byName.delete(retired.nameText);
      return retired;
    }
    for (const [name, prepared] of this.byName) {
      const { statement } = prepared;
      this.byName.delete(name);
      if (statement.lastUse === prepared.useSeen) return statement;
      prepared.useSeen = statement.lastUse;
      this.byName.set(name, prepared); // and so comes last
    }
    throw new RangeError('nothing is prepared');
  }
}

class Prepared {
  readonly statement: Statement;
  /** Its last use, in the pool's count, when it was last looked at. */
  useSeen: number;

  constructor(statement: Statement) {
    this.statement = statement;
    this.useSeen = statement.lastUse;
  }
}
