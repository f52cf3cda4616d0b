/** Batches against a plain description of those that are plain: which are recognised, and what is read of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerQueue, Owed } from '../../../src/pooler/answer-queue.js';
import { PlainBatch } from '../../../src/pooler/plain-batch.js';
import * as messages from '../../support/messages.js';

/** One message, and what it is in a plain batch; '' where it is in none. */
interface Part {
  readonly role: 'parse' | 'bind' | 'bind named' | 'describe' | 'execute' | 'sync' | '';
  readonly bytes: Buffer;
}

const SQL = 'select $1::text';
const part = (role: Part['role'], bytes: Buffer) => fc.constant<Part>({ role, bytes });
const parts = fc.oneof(
  part('parse', messages.parse('', SQL, [25])),
  part('', messages.parse('s1', SQL)),
  part('bind', messages.bind('', '', ['value'])),
  part('bind named', messages.bind('', 's1', ['value'])),
  part('', messages.bind('walk', '', ['value'])),
  part('describe', messages.describePortal('')),
  part('', messages.describePortal('walk')),
  part('', messages.describeStatement('')),
  part('', messages.describeStatement('s1')),
  part('execute', messages.execute()),
  part('execute', messages.execute('', 7)),
  part('', messages.execute('walk')),
  part('sync', messages.sync()),
  part('', messages.flush()),
  part('', messages.closeStatement('')),
);
const PLAIN = /^(parse bind|bind|bind named)( describe)? execute sync$/;
const OWED = {
  parse: Owed.SyntheticParseComplete,
  bind: Owed.BindComplete,
  'bind named': Owed.BindComplete,
  describe: Owed.PortalDescription,
  execute: Owed.ExecuteResult,
  sync: Owed.Sync,
} as const;

/** A plain batch, now and then with one message more, less or in another place. */
const drawn = fc
  .record({
    isParsed: fc.boolean(),
    isNamed: fc.boolean(),
    isDescribed: fc.boolean(),
    rows: fc.nat(3),
    at: fc.nat(5),
    instead: fc.option(parts),
    removes: fc.boolean(),
  })
  .map(({ isParsed, isNamed, isDescribed, rows, at, instead, removes }) => {
    const name = isNamed && !isParsed ? 's1' : '';
    const all: Part[] = [];
    if (isParsed) all.push({ role: 'parse', bytes: messages.parse('', SQL) });
    all.push({ role: name === '' ? 'bind' : 'bind named', bytes: messages.bind('', name, ['value']) });
    if (isDescribed) all.push({ role: 'describe', bytes: messages.describePortal('') });
    all.push(
      { role: 'execute', bytes: messages.execute('', rows) },
      { role: 'sync', bytes: messages.sync() },
    );
    if (instead !== null) all.splice(at, removes ? 1 : 0, instead);
    return all;
  });

test('those that are plain are recognised, wherever they lie, and no others', () => {
  const batch = new PlainBatch();
  fc.assert(
    fc.property(
      fc.oneof({ weight: 4, arbitrary: drawn }, { weight: 1, arbitrary: fc.array(parts, { maxLength: 6 }) }),
      fc.nat(9),
      (all, before) => {
        if (all.length === 0) return;
        const bytes = Buffer.concat([
          Buffer.alloc(before, 'B'),
          ...all.map((each) => each.bytes),
          Buffer.alloc(9, 'S'),
        ]);
        const end = bytes.length - 9;
        const roles = all.map(({ role }) => role);
        const isPlain = !roles.includes('') && PLAIN.test(roles.join(' '));
        assert.equal(batch.read(bytes, before, end), isPlain, roles.join(' '));
        if (!isPlain) return;
        assert.equal(
          bytes.toString('latin1', batch.nameAt, batch.nameEnd),
          roles[0] === 'bind named' ? 's1' : '',
        );
        const bindAt = before + (roles[0] === 'parse' ? (all[0]?.bytes.length ?? 0) : 0);
        assert.equal(batch.bodyAt, bindAt + 5);
        assert.equal(batch.bodyEnd, bindAt + 1 + bytes.readInt32BE(bindAt + 1));
        assert.equal(batch.hasParse, roles[0] === 'parse');
        if (batch.hasParse) {
          assert.equal(bytes.toString('latin1', batch.contentAt, batch.contentAt + SQL.length), SQL);
          assert.equal(batch.contentEnd, bindAt);
        }
        const queue = new AnswerQueue();
        queue.push(Owed.SwallowedQuery);
        queue.pushBatch(batch.owed, batch.owedCount);
        queue.pop();
        for (const role of roles) {
          assert.equal(queue.head, role === '' ? Owed.Nothing : OWED[role]);
          queue.pop();
        }
        assert.equal(queue.isEmpty, true);
      },
    ),
    { numRuns: 2000 },
  );
});

test('a plain batch that is cut, longer than it is, or has any other byte in a length is not taken for one', () => {
  const batch = new PlainBatch();
  const whole = Buffer.concat([
    messages.parse('', SQL),
    messages.bind('', '', ['value']),
    messages.describePortal(''),
    messages.execute(),
    messages.sync(),
  ]);
  assert.equal(batch.read(whole, 0, whole.length), true);
  for (let length = 1; length < whole.length; length++) assert.equal(batch.read(whole, 0, length), false);
  assert.equal(batch.read(Buffer.concat([whole, messages.sync()]), 0, whole.length + 5), false);
  for (let at = 0; at < whole.length; at += 1 + whole.readInt32BE(at + 1)) {
    for (let i = at; i < at + 5; i++) {
      const changed = Buffer.from(whole);
      changed[i] = (changed[i] ?? 0) ^ 0x81;
      assert.equal(batch.read(changed, 0, changed.length), false, `byte ${i}`);
    }
  }
});

test('no bytes make it read beyond their end', () => {
  const batch = new PlainBatch();
  const noise = fc.array(fc.constantFrom(0x50, 0x42, 0x44, 0x45, 0x53, 0, 4, 9, 0xff), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(noise, (values) => {
      const bytes = Uint8Array.from(values);
      if (!batch.read(bytes, 0, bytes.length)) return;
      assert.ok(batch.nameEnd < batch.bodyEnd && batch.bodyEnd + 15 <= bytes.length);
    }),
    { numRuns: 3000 },
  );
});
