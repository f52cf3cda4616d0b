/** The protocol at debug level: which messages a client and its servers have sent, as their tags in groups, such as
 *  `[P(stmt1),B(stmt1),D,E,S]` and `[1,2,T,3xD,C,Z]`. Of what is in a message it shows the names of prepared
 *  statements and the SQLSTATE of an error, never a query, a value or a password: it begins behind the login. It has
 *  framers of its own, since sessions pass runs of messages on without a look. There is none while debug is off. */
import type { Reactor } from '../reactor/reactor.js';
import { Timer, type TimerTarget } from '../reactor/timers.js';
import { byteAt, textBetween, zeroAt } from '../wire/bytes.js';
import { readErrorResponse } from '../wire/error-response.js';
import { Frame, Framer } from '../wire/framer.js';
import { Backend, Frontend, STATEMENT_KIND } from '../wire/tags.js';
import { SERVER_MESSAGE_MAX } from './limits.js';
import type { LogFields } from './log-fields.js';

/** A group is logged after so many messages, repeated ones counted once, or so many milliseconds. */
const GROUP_MESSAGES_MAX = 100;
const GROUP_MS = 100;
const NAME_MAX = 63; // an identifier's length in PostgreSQL

type Timers = Pick<Reactor, 'setTimer' | 'clearTimer'>;

export const enum Side {
  Client,
  Server,
}

/** A session that is listened to. */
export interface Traced {
  /** Who it is and whom it is with. */
  readonly logFields: LogFields;
  /** Whether the next byte to come begins a message. */
  readonly isBetweenMessages: boolean;
  /** The client that a server has, 0 for none: what it answers another one is another group. */
  readonly tracedFor: number;
}

export class ProtocolTrace implements TimerTarget {
  private readonly reactor: Timers;
  private readonly log: (text: string, fields: LogFields) => void;
  private readonly groups = new Map<Traced, Group>();
  private readonly timer: Timer = new Timer(this);
  /** It is between `begins` and `read`. */
  private reading: Traced | null = null;

  constructor(reactor: Timers, log: (text: string, fields: LogFields) => void) {
    this.reactor = reactor;
    this.log = log;
  }

  /** A session begins to read bytes[begin, end). Whoever is in the middle of a message is listened to behind it. */
  begins(session: Traced, side: Side): void {
    if (this.reading !== null) this.groups.delete(this.reading); // it has thrown
    this.reading = session;
    let group = this.groups.get(session);
    if (group === undefined) {
      if (!session.isBetweenMessages) return;
      group = new Group(side);
      this.groups.set(session, group);
    }
    if (group.tracedFor !== session.tracedFor) this.tell(group);
    if (!group.isEmpty) return;
    group.tracedFor = session.tracedFor;
    group.fields = session.logFields;
  }

  /** … and has read them. */
  read(session: Traced, bytes: Uint8Array, begin: number, end: number): void {
    this.reading = null;
    const group = this.groups.get(session);
    if (group === undefined) return;
    group.take(bytes, begin, end);
    if (group.hasEnded) this.ends(session);
    else if (group.size >= GROUP_MESSAGES_MAX) this.tell(group);
    else if (!group.isEmpty && !this.timer.isSet) this.reactor.setTimer(this.timer, GROUP_MS);
  }

  /** The session has ended. */
  ends(session: Traced): void {
    const group = this.groups.get(session);
    if (group === undefined) return;
    if (this.reading === session) {
      group.hasEnded = true; // by what it is reading, which is still to be told
      return;
    }
    this.tell(group);
    this.groups.delete(session);
  }

  onTimer(): void {
    for (const group of this.groups.values()) this.tell(group);
  }

  /** Debug is off. */
  stop(): void {
    this.onTimer();
    this.groups.clear();
    this.reactor.clearTimer(this.timer);
  }

  private tell(group: Group): void {
    if (group.isEmpty) return;
    const from = group.side === Side.Client ? 'client' : 'server';
    this.log(`from ${from}: [${group.text()}]`, group.fields);
  }
}

/** Messages that have not been told yet. */
class Group {
  readonly side: Side;
  fields: LogFields = {};
  tracedFor = 0;
  hasEnded = false;
  private readonly framer = new Framer(SERVER_MESSAGE_MAX);
  private readonly parts: string[] = [];
  private last = '';
  private lastTag = 0;
  /** How often the last one has come; 0: there is none. */
  private repeated = 0;

  constructor(side: Side) {
    this.side = side;
  }

  get isEmpty(): boolean {
    return this.repeated === 0;
  }

  /** Repeated messages count once. */
  get size(): number {
    return this.parts.length + 1;
  }

  take(bytes: Uint8Array, begin: number, end: number): void {
    const { framer } = this;
    let at = begin;
    while (at < end) {
      const frame = framer.next(bytes, at, end);
      if (frame === Frame.Starved) return;
      if (frame === Frame.Violation) return framer.reset(); // the session says so, and ends
      if (frame === Frame.Message) {
        if (framer.tag === this.lastTag && this.isRow(framer.tag)) this.repeated++;
        else this.add(this.describe(bytes));
      }
      at = framer.bodyEnd;
    }
  }

  /** What there is, which is forgotten. */
  text(): string {
    this.endRepetition();
    const text = this.parts.join(',');
    this.parts.length = 0;
    this.lastTag = 0;
    return text;
  }

  private add(message: string): void {
    if (message !== this.last) this.endRepetition();
    this.last = message;
    this.lastTag = this.framer.tag;
    this.repeated++;
  }

  private endRepetition(): void {
    if (this.repeated > 0) this.parts.push(this.repeated === 1 ? this.last : `${this.repeated}x${this.last}`);
    this.repeated = 0;
  }

  /** Whether it is a message of those that come in great numbers. */
  private isRow(tag: number): boolean {
    return tag === Backend.CopyData || (tag === Backend.DataRow && this.side === Side.Server);
  }

  private describe(bytes: Uint8Array): string {
    const { tag } = this.framer;
    const about = this.side === Side.Client ? this.statementName(bytes) : this.sqlstate(bytes);
    const letter = tag > 0x20 && tag < 0x7f ? String.fromCharCode(tag) : `0x${tag.toString(16)}`;
    return about === '' ? letter : `${letter}(${about})`;
  }

  /** Of the prepared statement that it is about; '' when it is about none, or the name is not here as a whole. */
  private statementName(bytes: Uint8Array): string {
    const { tag, bodyAt, bodyEnd } = this.framer;
    switch (tag) {
      case Frontend.Parse:
        return nameAt(bytes, bodyAt, bodyEnd);
      case Frontend.Bind: {
        const portalEnd = zeroAt(bytes, bodyAt, bodyEnd);
        return portalEnd < 0 ? '' : nameAt(bytes, portalEnd + 1, bodyEnd);
      }
      case Frontend.Describe:
      case Frontend.Close:
        if (bodyEnd - bodyAt < 2 || byteAt(bytes, bodyAt) !== STATEMENT_KIND) return '';
        return nameAt(bytes, bodyAt + 1, bodyEnd);
      default:
        return '';
    }
  }

  private sqlstate(bytes: Uint8Array): string {
    const { tag, bodyAt, bodyEnd, remaining } = this.framer;
    if (tag !== Backend.ErrorResponse || remaining > 0) return '';
    return readErrorResponse(bytes, bodyAt, bodyEnd).sqlstate;
  }
}

function nameAt(bytes: Uint8Array, from: number, end: number): string {
  const nameEnd = zeroAt(bytes, from, end);
  return nameEnd < 0 ? '' : textBetween(bytes, from, Math.min(nameEnd, from + NAME_MAX));
}
