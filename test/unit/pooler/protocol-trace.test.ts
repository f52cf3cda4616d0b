/** The protocol at debug level: groups of tags, and nothing of what is secret. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import fc from 'fast-check';
import type { LogFields } from '../../../src/pooler/log-fields.js';
import { ProtocolTrace, Side, type Traced } from '../../../src/pooler/protocol-trace.js';
import type { Timer } from '../../../src/reactor/timers.js';
import { bind, message, parse, query, string } from '../../support/messages.js';

const SYNC = message('S');

class Session implements Traced {
  isBetweenMessages = true;
  tracedFor = 0;

  get logFields(): LogFields {
    return { client_id: this.tracedFor };
  }
}

let lines: string[] = [];
let timer: Timer | null = null;
let trace = traceNow();

function traceNow(): ProtocolTrace {
  const reactor = {
    setTimer: (set: Timer, afterMs: number) => {
      assert.equal(afterMs, 100);
      timer = set;
    },
    clearTimer: () => {
      timer = null;
    },
  };
  return new ProtocolTrace(reactor, (text, { client_id = 0 }) =>
    lines.push(client_id === 0 ? text : `${text} of ${client_id}`),
  );
}

beforeEach(() => {
  lines = [];
  timer = null;
  trace = traceNow();
});

function passTime(): void {
  assert.ok(timer !== null);
  timer.target.onTimer(timer);
}

function reads(session: Traced, side: Side, ...messages: Uint8Array[]): void {
  const bytes = Buffer.concat(messages);
  trace.begins(session, side);
  trace.read(session, bytes, 0, bytes.length);
}

test('a batch is a group with the names of statements, and without queries and values', () => {
  const describe = message('D', Buffer.from('S'), string('stmt1'));
  const close = message('C', Buffer.from('S'), string('stmt1'));
  const portal = message('D', Buffer.from('P'), string('portal'));
  const parts = [parse('stmt1', 'select secret'), bind('portal', 'stmt1', ['secret']), describe, portal];
  reads(new Session(), Side.Client, ...parts, message('E', string(''), Buffer.alloc(4)), close, SYNC);
  assert.deepEqual(lines, []);
  passTime();
  assert.deepEqual(lines, ['from client: [P(stmt1),B(stmt1),D(stmt1),D,E,C(stmt1),S]']);
});

test('what is repeated is counted, and an error has its SQLSTATE', () => {
  const row = message('D', Buffer.alloc(2));
  const error = message('E', string('SERROR'), string('C23505'), string('Msecret'), Buffer.of(0));
  reads(new Session(), Side.Server, message('T'), row, row, row, message('C'), error, message('Z'));
  passTime();
  assert.deepEqual(lines, ['from server: [T,3xD,C,E(23505),Z]']);
});

test('neither a query nor a password is shown', () => {
  reads(new Session(), Side.Client, query("alter role x password 'secret'"), message('p', string('secret')));
  passTime();
  assert.deepEqual(lines, ['from client: [Q,p]']);
});

test('a group is told when it has a hundred messages, of which repeated ones are one', () => {
  const session = new Session();
  for (let i = 0; i < 50; i++) reads(session, Side.Client, SYNC, SYNC, query(''));
  assert.deepEqual(lines, [`from client: [${Array(50).fill('2xS,Q').join(',')}]`]);
});

test('rows are counted, however many there are', () => {
  const session = new Session();
  const rows = Buffer.concat(Array.from({ length: 1000 }, () => message('D', Buffer.alloc(2))));
  for (let i = 0; i < 10; i++) reads(session, Side.Server, rows);
  reads(session, Side.Server, message('C'));
  passTime();
  assert.deepEqual(lines, ['from server: [10000xD,C]']);
});

test('the groups are the same in any cut', () => {
  const bytes = Buffer.concat([parse('', 'select 1'), SYNC, query('select 2'), SYNC, SYNC]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      lines = [];
      trace = traceNow();
      const session = new Session();
      const ends = [...cuts, bytes.length].toSorted((a, b) => a - b);
      let from = 0;
      for (const to of ends) {
        reads(session, Side.Client, bytes.subarray(from, to));
        from = to;
      }
      trace.stop();
      assert.deepEqual(lines, ['from client: [P,S,Q,2xS]']);
    }),
  );
});

test('a session in the middle of a message is listened to behind it', () => {
  const session = new Session();
  session.isBetweenMessages = false;
  reads(session, Side.Client, Buffer.from('the rest of something'));
  session.isBetweenMessages = true;
  reads(session, Side.Client, SYNC);
  trace.stop();
  assert.deepEqual(lines, ['from client: [S]']);
});

test('what a server answers another client is another group', () => {
  const session = new Session();
  for (const client of [7, 7, 8]) {
    session.tracedFor = client;
    reads(session, Side.Server, message('Z'));
  }
  trace.stop();
  assert.deepEqual(lines, ['from server: [2xZ] of 7', 'from server: [Z] of 8']);
});

test('the message that ends a session is told', () => {
  const session = new Session();
  const bytes = Buffer.concat([SYNC, message('X')]);
  trace.begins(session, Side.Client);
  trace.ends(session);
  trace.read(session, bytes, 0, bytes.length);
  assert.deepEqual(lines, ['from client: [S,X]']);
});

test('a session that throws while it reads leaves nothing behind', () => {
  const failed = new Session();
  trace.begins(failed, Side.Client);
  trace.ends(failed);
  reads(new Session(), Side.Client, SYNC);
  trace.read(failed, SYNC, 0, SYNC.length);
  trace.stop();
  assert.deepEqual(lines, ['from client: [S]']);
});
