/** What is prepared on one server, confirmed or on its way: at most prepared_statements_cache_size of them for long;
 *  of those too many the ones that were unused for longest go first. By name, since names follow from the content. */
import type { Statement, StatementCache } from './statements.js';

/** Up to so many stay whatever their epoch: who has prepared one is to be told by PostgreSQL when it does not fit. */
const KEPT_MIN = 256;
/** At so many is looked for one of an earlier epoch. */
const LOOKS_MAX = 16;

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

  has(statement: Statement): boolean {
    if (statement === this.lastFound) return true;
    const prepared = this.byName.get(statement.nameText);
    if (prepared === undefined) return false;
    prepared.statement ??= statement;
    this.lastFound = statement;
    return true;
  }

  /** The names, the one that is to go first at the front. */
  names(): string[] {
    const retired = this.retired.map(({ nameText }) => nameText);
    return [...retired, ...[...this.byName.keys()].filter((name) => !retired.includes(name))];
  }

  /** One of which only the name is known as yet. */
  addName(name: string): void {
    this.byName.set(name, new Prepared(null));
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

  /** Takes out one that should go before another comes: retired, or too many, or of an earlier epoch and not used for
   *  long. Its name; null when there is none. */
  takeSurplus(cache: StatementCache): string | null {
    this.lastFound = null;
    const retired = this.retired.pop();
    if (retired !== undefined) {
      this.byName.delete(retired.nameText);
      return retired.nameText;
    }
    const isFull = this.byName.size >= this.sizeMax;
    if (!isFull && this.byName.size < KEPT_MIN) return null;
    let looksLeft = LOOKS_MAX;
    // The first that came goes, unless it was used since it was last looked at.
    for (const [name, prepared] of this.byName) {
      const { statement } = prepared;
      if (!isFull && (statement === null || cache.isCurrent(statement) || looksLeft-- === 0)) return null;
      this.byName.delete(name);
      if (statement === null || statement.lastUse === prepared.useSeen) return name;
      prepared.useSeen = statement.lastUse;
      this.byName.set(name, prepared); // and so comes last
    }
    return null;
  }
}

class Prepared {
  /** null: nobody has asked for it since it came from another worker. */
  statement: Statement | null;
  /** Its last use, in the pool's count, when it was last looked at. */
  useSeen: number;

  constructor(statement: Statement | null) {
    this.statement = statement;
    this.useSeen = statement?.lastUse ?? 0;
  }
}
