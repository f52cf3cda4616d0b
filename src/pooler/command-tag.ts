/** What a CommandComplete tells of the state that a command leaves in its session: a server that keeps any is reset
 *  before another client gets it. Not seen: LOCK functions, temporary tables, set_config(), whose tag is SELECT. */
import { byteAt, equalsAt } from '../wire/bytes.js';

/** Bits: what must be undone. */
export const enum ServerDirt {
  Set = 1,
  Declare = 2,
  Prepare = 4,
  Listen = 8,
  /** Anything: the client has had the session for itself. */
  Session = 16,
}

const tag = (text: string): Uint8Array => Buffer.from(`${text}\0`, 'latin1');
const SET = tag('SET');
const DECLARE_CURSOR = tag('DECLARE CURSOR');
const CLOSE_CURSOR_ALL = tag('CLOSE CURSOR ALL');
const PREPARE = tag('PREPARE');
const DEALLOCATE_ALL = tag('DEALLOCATE ALL');
const DISCARD_ALL = tag('DISCARD ALL');
const LISTEN = tag('LISTEN');

/** Told what a command has done to the statements that are prepared on the server, or to what they read. */
export interface HoldsStatements {
  /** Returns the dirt that is left: of statements that are on their way. */
  forgetStatements(): number;
  schemaChanged(): void;
}

const DROP_INDEX = tag('DROP INDEX');
const ALTER = Buffer.from('ALTER ', 'latin1');
const DROP = Buffer.from('DROP ', 'latin1');
/** What a rollback may take away again. */
const CREATE_TYPE = tag('CREATE TYPE');
const CREATE_DOMAIN = tag('CREATE DOMAIN');
const CREATE_EXTENSION = tag('CREATE EXTENSION');

const A = 0x41;
const S = 0x53;
const D = 0x44;
const P = 0x50;
const L = 0x4c;
const C = 0x43;
const E = 0x45;

/** The dirt after a command with this tag, body[bodyAt, bodyEnd) of a CommandComplete. */
export function dirtFromTag(
  dirt: number,
  bytes: Uint8Array,
  bodyAt: number,
  bodyEnd: number,
  server: HoldsStatements,
): number {
  // By far most commands are told apart by their first two letters. RESET of one parameter says nothing of others.
  switch (byteAt(bytes, bodyAt)) {
    case S:
      if (byteAt(bytes, bodyAt + 1) === E && isTag(bytes, bodyAt, bodyEnd, SET)) return dirt | ServerDirt.Set;
      return dirt;
    case D:
      if (equalsAt(bytes, bodyAt, DROP)) {
        if (!isTag(bytes, bodyAt, bodyEnd, DROP_INDEX)) server.schemaChanged();
        return dirt;
      }
      if (isTag(bytes, bodyAt, bodyEnd, DECLARE_CURSOR)) return dirt | ServerDirt.Declare;
      if (isTag(bytes, bodyAt, bodyEnd, DEALLOCATE_ALL)) {
        return (dirt & ~ServerDirt.Prepare) | server.forgetStatements();
      }
      if (isTag(bytes, bodyAt, bodyEnd, DISCARD_ALL)) {
        return server.forgetStatements();
      }
      return dirt;
    case P:
      return isTag(bytes, bodyAt, bodyEnd, PREPARE) ? dirt | ServerDirt.Prepare : dirt;
    case L:
      return isTag(bytes, bodyAt, bodyEnd, LISTEN) ? dirt | ServerDirt.Listen : dirt;
    case A:
      if (equalsAt(bytes, bodyAt, ALTER)) server.schemaChanged();
      return dirt;
    case C:
      if (createsType(bytes, bodyAt, bodyEnd)) server.schemaChanged();
      return isTag(bytes, bodyAt, bodyEnd, CLOSE_CURSOR_ALL) ? dirt & ~ServerDirt.Declare : dirt;
    default:
      return dirt;
  }
}

function createsType(bytes: Uint8Array, bodyAt: number, bodyEnd: number): boolean {
  return (
    isTag(bytes, bodyAt, bodyEnd, CREATE_TYPE) ||
    isTag(bytes, bodyAt, bodyEnd, CREATE_DOMAIN) ||
    isTag(bytes, bodyAt, bodyEnd, CREATE_EXTENSION)
  );
}

function isTag(bytes: Uint8Array, bodyAt: number, bodyEnd: number, expected: Uint8Array): boolean {
  return bodyEnd - bodyAt === expected.length && equalsAt(bytes, bodyAt, expected);
}
