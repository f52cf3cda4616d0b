/** A session of a server that answers as PostgreSQL would, from what was recorded. It knows what the pooler and the
 *  conversations ask for, and the stamped questions of the control client. */
import { int32, type Message, message, string } from '../support/messages.js';
import { COPY_IN } from './conversations.js';
import type { Recorded } from './recorded.js';

const NO_DATA = message('n');
const NO_PARAMETERS = message('t', Buffer.of(0, 0));
const COPY_IN_RESPONSE = message('G', Buffer.of(0, 0, 0));
const REFUSED = message(
  'E',
  string('SERROR'),
  string('VERROR'),
  string('C26000'),
  string('Mno such thing'),
  Buffer.of(0),
);

export class HonestBackend {
  private readonly recorded: Recorded;
  private status = 'I';
  private isInCopy = false;
  private skipsToSync = false;
  private readonly statements = new Map<string, string>();
  private portal = '';

  constructor(recorded: Recorded) {
    this.recorded = recorded;
  }

  greeting(): Buffer[] {
    return [message('R', int32(0)), ...this.recorded.greeting, this.ready()];
  }

  /** The messages that answer one of the pooler's. */
  answer({ tag, body }: Message): readonly Buffer[] {
    if (this.isInCopy) return this.inCopy(tag);
    if (tag === 'Q') return [...this.simple(textAt(body, 0)), ...(this.isInCopy ? [] : [this.ready()])];
    if (tag === 'S') {
      this.skipsToSync = false;
      return [this.ready()];
    }
    if (this.skipsToSync) return [];
    const answer = this.extended(tag, body);
    this.skipsToSync = answer.some((each) => each[0] === 0x45);
    return answer;
  }

  private simple(sql: string): readonly Buffer[] {
    if (sql === COPY_IN) {
      this.isInCopy = true;
      return [COPY_IN_RESPONSE];
    }
    const [, stamp] = /^select '(stamp [0-9 ]+)'$/.exec(sql) ?? [];
    if (stamp !== undefined) return [column, stamped(stamp), message('C', string('SELECT 1'))];
    const verb = sql.replace(/[ ;].*/s, '').toUpperCase();
    if (verb === 'BEGIN') this.status = 'T';
    if (verb === 'COMMIT' || verb === 'ROLLBACK') this.status = 'I';
    const answer = this.recorded.simple.get(sql) ?? [message('C', string(verb))];
    if (this.status === 'T' && answer.some((each) => each[0] === 0x45)) this.status = 'E';
    return answer;
  }

  private extended(tag: string, body: Buffer): readonly Buffer[] {
    const { descriptions, results } = this.recorded;
    switch (tag) {
      case 'P': {
        const name = textAt(body, 0);
        this.statements.set(name, textAt(body, Buffer.byteLength(name) + 1));
        return [message('1')];
      }
      case 'B': {
        const portal = textAt(body, 0);
        const sql = this.statements.get(textAt(body, Buffer.byteLength(portal) + 1));
        if (sql === undefined) return [REFUSED];
        this.portal = sql;
        return [message('2')];
      }
      case 'D': {
        const isStatement = body[0] === 0x53;
        const sql = isStatement ? (this.statements.get(textAt(body, 1)) ?? '') : this.portal;
        const description = descriptions.get(sql) ?? [NO_PARAMETERS, NO_DATA];
        return isStatement ? description : description.slice(1);
      }
      case 'E':
        return results.get(this.portal) ?? [message('C', string('SELECT 0'))];
      case 'C':
        return [message('3')];
      case 'F':
        return [message('V', int32(-1)), this.ready()];
      default:
        return [];
    }
  }

  private inCopy(tag: string): readonly Buffer[] {
    if (tag !== 'c' && tag !== 'f') return [];
    this.isInCopy = false;
    return [tag === 'c' ? message('C', string('COPY 1')) : REFUSED, this.ready()];
  }

  private ready(): Buffer {
    return message('Z', Buffer.from(this.status));
  }
}

const column = message(
  'T',
  Buffer.of(0, 1),
  string('stamp'),
  Buffer.alloc(6),
  int32(25),
  Buffer.of(255, 255),
  int32(-1),
  Buffer.of(0, 0),
);

function stamped(text: string): Buffer {
  return message('D', Buffer.of(0, 1), int32(text.length), Buffer.from(text));
}

function textAt(body: Buffer, at: number): string {
  const zero = body.indexOf(0, at);
  return body.toString('utf8', at, zero === -1 ? body.length : zero);
}
