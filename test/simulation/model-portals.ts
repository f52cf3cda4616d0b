/** The portals of a session, cursors among them, and what a transaction's end does to them. PostgreSQL's
 *  src/backend/utils/mmgr/portalmem.c. */
import type { Waiting } from './model-coroutine.js';
import { SqlError } from './model-error.js';
import { type Column, collected, type Parameters, type RowSource, stored } from './model-rows.js';
import type { Statement } from './model-syntax.js';

/** Of a cursor that has outlived its transaction. */
const HELD = -1;

export interface PortalContent {
  /** null: an empty text. */
  readonly statement: Statement | null;
  readonly parameters: Parameters;
  readonly formats: readonly number[];
  /** null when it gives no rows. */
  readonly columns: readonly Column[] | null;
  /** null until it is known: a utility's rows are made when it is run first. */
  readonly source: RowSource | null;
  readonly isHold?: boolean;
}

export class Portal {
  readonly name: string;
  readonly content: PortalContent;
  source: RowSource | null;
  /** What its CommandComplete says before the number of rows. */
  tag = 'SELECT';
  isAtEnd = false;
  /** Of one that is lost PostgreSQL does not know any more what it would run. */
  status: 'ready' | 'active' | 'done' | 'failed' | 'lost' = 'ready';
  /** The number of savepoints around it, or HELD. */
  level: number;

  constructor(name: string, level: number, content: PortalContent) {
    this.name = name;
    this.level = level;
    this.content = content;
    this.source = content.source;
  }
}

export class Portals {
  private readonly portals = new Map<string, Portal>();

  find(name: string): Portal | undefined {
    return this.portals.get(name);
  }

  /** A portal without a name takes the place of the one before. */
  makeRoomFor(name: string): void {
    if (name === '') this.portals.delete(name);
    else if (this.portals.has(name)) throw new SqlError('42P03', `cursor "${name}" already exists`);
  }

  add(portal: Portal): void {
    this.portals.set(portal.name, portal);
  }

  /** Returns whether it was there. */
  drop(name: string): boolean {
    return this.portals.delete(name);
  }

  /** CLOSE ALL. What runs it stays. */
  dropAll(): void {
    this.dropWhere(({ status }) => status !== 'active');
  }

  /** Materializes what is WITH HOLD: its rows are computed now, and may fail now. */
  *commit(): Waiting<void> {
    for (const portal of [...this.portals.values()]) {
      if (portal.level === HELD) continue;
      const { source } = portal;
      if (portal.content.isHold !== true || portal.status !== 'ready' || source === null) {
        this.portals.delete(portal.name);
        continue;
      }
      portal.status = 'active';
      portal.source = stored(yield* collected(source));
      portal.status = 'ready';
      portal.level = HELD;
    }
  }

  /** The transaction, or what came behind a savepoint, has failed: its portals cannot be run any more. */
  fail(level: number): void {
    for (const portal of this.portals.values()) if (portal.level >= level) portal.status = 'lost';
  }

  /** … or it is over, and they are gone. */
  dropFrom(level: number): void {
    this.dropWhere((portal) => portal.level >= level);
  }

  /** The names of those that can be run. */
  readyFrom(level: number): string[] {
    return [...this.portals.values()]
      .filter((portal) => portal.status === 'ready' && portal.level >= level)
      .map(({ name }) => name);
  }

  /** A savepoint is released: they belong to what is around it. */
  lower(level: number): void {
    for (const portal of this.portals.values()) portal.level = Math.min(portal.level, level);
  }

  get isEmpty(): boolean {
    return this.portals.size === 0;
  }

  /** Cursors that the next client would find. */
  get held(): string[] {
    return [...this.portals.values()].filter(({ level }) => level === HELD).map(({ name }) => name);
  }

  private dropWhere(isUnwanted: (portal: Portal) => boolean): void {
    for (const portal of [...this.portals.values()]) {
      if (isUnwanted(portal)) this.portals.delete(portal.name);
    }
  }
}
