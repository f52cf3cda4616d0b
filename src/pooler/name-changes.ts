/** What the messages that a server has not answered yet make of a client's names: PostgreSQL does nothing of what it
 *  skips after an error, so it is undone. Places are those of the answers in the AnswerQueue; they wrap. */
import { copyOf, equalsAt } from '../wire/bytes.js';
import type { Statement, StatementNames } from './statements.js';

const UNNAMED = new Uint8Array(0);
/** With so many, those that have been answered are looked for. */
const CHANGES_MANY = 64;

export class NameChanges {
  // Side by side and in the order of their places. Nothing is made for the unnamed statement, which changes all the time.
  private readonly places: number[] = [];
  private readonly names: Uint8Array[] = [];
  private readonly befores: (Statement | null)[] = [];
  private count = 0;

  /** Forgets all: they have been answered. */
  clear(): void {
    this.count = 0;
  }

  /** Whether one is in doubt. `answered`: the place of the answer that is owed next. */
  isAny(answered: number): boolean {
    const { count } = this;
    return count > 0 && !isBefore(this.places[count - 1] ?? 0, answered);
  }

  /** The name bytes[begin, end) stands for something else once the answer at this place has come. */
  add(
    place: number,
    answered: number,
    bytes: Uint8Array,
    begin: number,
    end: number,
    before: Statement | null,
  ): void {
    if (!this.isAny(answered)) this.count = 0;
    else if (this.count >= CHANGES_MANY) this.keep((i) => !isBefore(this.places[i] ?? 0, answered));
    this.places[this.count] = place;
    this.names[this.count] = begin === end ? UNNAMED : copyOf(bytes, begin, end);
    this.befores[this.count] = before;
    this.count++;
  }

  /** Whether the last change of the name is in doubt and stands before this place. */
  isInDoubt(bytes: Uint8Array, begin: number, end: number, answered: number, place: number): boolean {
    for (let i = this.count - 1; i >= 0; i--) {
      const at = this.places[i] ?? 0;
      if (isBefore(at, answered)) return false;
      if (isSame(this.names[i] ?? UNNAMED, bytes, begin, end)) return isBefore(at, place);
    }
    return false;
  }

  /** The message at `from` has failed, and those up to `to` were skipped. */
  undo(from: number, to: number, names: StatementNames): void {
    for (let i = this.count - 1; i >= 0; i--) {
      const at = this.places[i] ?? 0;
      if (isBefore(at, from)) break;
      if (!isBefore(at, to)) continue;
      const name = this.names[i] ?? UNNAMED;
      // A Parse of the unnamed statement drops the old one, and then it may fail.
      const before = at === from && name.length === 0 ? null : (this.befores[i] ?? null);
      const later = this.firstFrom(i + 1, to, name);
      if (later >= 0) this.befores[later] = before;
      else if (before === null) names.delete(name, 0, name.length);
      else names.set(name, 0, name.length, before);
    }
    this.keep((i) => isBefore(this.places[i] ?? 0, from) || !isBefore(this.places[i] ?? 0, to));
  }

  /** All names are forgotten but those that a message from this place on changes. */
  keepOnly(from: number, names: StatementNames): void {
    this.keep((i) => !isBefore(this.places[i] ?? 0, from));
    const kept = this.names.slice(0, this.count);
    const statements = kept.map((name) => names.get(name, 0, name.length));
    names.clear();
    for (let i = kept.length - 1; i >= 0; i--) {
      const name = kept[i] ?? UNNAMED;
      const statement = statements[i] ?? null;
      if (statement !== null) names.set(name, 0, name.length, statement);
      this.befores[i] = null;
    }
  }

  /** The first change of the name from index `first` on that stands at `place` or behind it, -1 when there is none. */
  private firstFrom(first: number, place: number, name: Uint8Array): number {
    for (let i = first; i < this.count; i++) {
      if (isBefore(this.places[i] ?? 0, place)) continue;
      if (isSame(this.names[i] ?? UNNAMED, name, 0, name.length)) return i;
    }
    return -1;
  }

  private keep(isKept: (i: number) => boolean): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      if (!isKept(i)) continue;
      this.places[kept] = this.places[i] ?? 0;
      this.names[kept] = this.names[i] ?? UNNAMED;
      this.befores[kept] = this.befores[i] ?? null;
      kept++;
    }
    this.count = kept;
  }
}

function isBefore(place: number, other: number): boolean {
  return ((place - other) | 0) < 0;
}

function isSame(name: Uint8Array, bytes: Uint8Array, begin: number, end: number): boolean {
  return name.length === end - begin && equalsAt(bytes, begin, name);
}
