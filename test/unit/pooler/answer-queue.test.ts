/** The queue of owed answers against a plain list that does the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerQueue, KIND_BITS, Owed } from '../../../src/pooler/answer-queue.js';
import { ANSWERS_OWED_MAX } from '../../../src/pooler/limits.js';
import { Statement } from '../../../src/pooler/statements.js';

const statement = (sql: string): Statement => new Statement(Buffer.from(sql), 0, Buffer.from('key'), '');
const kinds = fc.integer({ min: Owed.Query, max: Owed.SwallowedQuery });

test('whatever is pushed comes out in the same order, however many are owed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 3, arbitrary: kinds }, { weight: 2, arbitrary: fc.constant(0) })),
      (steps) => {
        const queue = new AnswerQueue();
        const model: Owed[] = [];
        for (const kind of steps) {
          if (kind !== Owed.Nothing) {
            queue.push(kind);
            model.push(kind);
          } else if (model.length > 0) {
            queue.pop();
            model.shift();
          }
          assert.equal(queue.length, model.length);
          assert.equal(queue.head, model[0] ?? Owed.Nothing);
          assert.equal(queue.isEmpty, model.length === 0);
          assert.equal(queue.headIsRelayed, model[0] !== undefined && model[0] < Owed.SwallowedParse);
        }
      },
    ),
  );
});

test('it holds as many as it says, round after round, and refuses one more as a bug', () => {
  const queue = new AnswerQueue();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < ANSWERS_OWED_MAX; i++)
      queue.push(i % 2 === 0 ? Owed.BindComplete : Owed.ExecuteResult);
    assert.equal(queue.isFull, true);
    assert.throws(() => queue.push(Owed.Sync), { name: 'Bug' });
    for (let i = 0; i < ANSWERS_OWED_MAX; i++) {
      assert.equal(queue.head, i % 2 === 0 ? Owed.BindComplete : Owed.ExecuteResult);
      queue.pop();
    }
  }
  assert.throws(() => queue.pop(), { name: 'Bug' });
});

test('an error skips to the Sync and forgets what was to be prepared, and only that', () => {
  const queue = new AnswerQueue();
  const forgotten: string[] = [];
  const forget = ({ content }: Statement): number => forgotten.push(Buffer.from(content).toString());
  queue.pushFor(Owed.ParseComplete, statement('first'));
  queue.push(Owed.ParseComplete);
  queue.push(Owed.ExecuteResult);
  queue.pushFor(Owed.SwallowedParse, statement('second'));
  queue.push(Owed.Sync);
  queue.pushFor(Owed.ParseComplete, statement('after'));
  queue.skipToSync(forget);
  assert.deepEqual(forgotten, ['first', 'second']);
  assert.equal(queue.head, Owed.Sync);
  queue.pop();
  queue.skipToSync(forget);
  assert.deepEqual(forgotten, ['first', 'second', 'after']);
});

test('after an error without a Sync nothing is entered until the Sync', () => {
  const queue = new AnswerQueue();
  queue.push(Owed.BindComplete);
  queue.skipToSync(() => undefined);
  assert.equal(queue.skipsToSync, true);
  assert.equal(queue.pushFor(Owed.ParseComplete, statement('x')), false);
  assert.equal(queue.isEmpty, true);
  assert.equal(queue.pushFor(Owed.Sync, null), true);
  assert.equal(queue.skipsToSync, false);
  assert.equal(queue.head, Owed.Sync);
});

test('Syncs sent into a COPY are not answered, and the end that was sent is known', () => {
  const order = [Owed.ExecuteResult, Owed.Sync, Owed.CopyEnd, Owed.Sync, Owed.Query];
  const queue = new AnswerQueue();
  for (const kind of order) queue.push(kind);
  assert.equal(queue.beginCopyIn(), true);
  const left: Owed[] = [];
  for (; !queue.isEmpty; queue.pop()) left.push(queue.head);
  assert.deepEqual(left, [Owed.ExecuteResult, Owed.Sync, Owed.Query]);
});

test('a Query whose COPY had all its data with it is still ended by ReadyForQuery', () => {
  const queue = new AnswerQueue();
  for (const kind of [Owed.Query, Owed.CopyEnd]) queue.push(kind);
  assert.equal(queue.beginCopyIn(), true);
  assert.equal(queue.owesCycle, true);
  queue.pop();
  assert.equal(queue.owesCycle, false);
});

test('a COPY whose end is still to come: every Sync until then is ignored', () => {
  const queue = new AnswerQueue();
  for (const kind of [Owed.ExecuteResult, Owed.Sync, Owed.Sync]) queue.push(kind);
  assert.equal(queue.beginCopyIn(), false);
  assert.equal(queue.length, 1);
  assert.equal(queue.owesCycle, false);
});

test('ends of COPY that the server did not want are dropped', () => {
  const queue = new AnswerQueue();
  for (const kind of [Owed.CopyEnd, Owed.CopyEnd, Owed.Sync]) queue.push(kind);
  queue.dropCopyEnds();
  assert.equal(queue.head, Owed.Sync);
});

test('a batch pushed at once is as if its answers had been pushed one by one', () => {
  const batch = [Owed.SyntheticParseComplete, Owed.BindComplete, Owed.ExecuteResult, Owed.Sync];
  const packed = batch.reduceRight((rest, kind) => (rest << KIND_BITS) | kind, 0);
  const about = (queue: AnswerQueue): unknown[] => [
    queue.length,
    queue.packed,
    queue.nextPlace,
    queue.batchPlace,
    queue.isBetweenBatches,
    queue.owesCycle,
    queue.isInDoubt(statement('select 1')),
  ];
  const earlier = fc.array(fc.constantFrom(Owed.SwallowedQuery, Owed.Sync, Owed.ParseComplete), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(earlier, fc.nat(3), (kindsBefore, answered) => {
      const [atOnce, oneByOne] = [new AnswerQueue(), new AnswerQueue()];
      for (const queue of [atOnce, oneByOne]) {
        for (const kind of kindsBefore)
          queue.pushFor(kind, kind === Owed.ParseComplete ? statement('select 1') : null);
        for (let i = 0; i < Math.min(answered, kindsBefore.length); i++) queue.pop();
      }
      atOnce.pushBatch(packed, batch.length);
      for (const kind of batch) oneByOne.push(kind);
      assert.deepEqual(about(atOnce), about(oneByOne));
    }),
  );
  const full = new AnswerQueue();
  for (let i = 0; i < 4; i++) full.push(Owed.BindComplete);
  assert.throws(() => full.pushBatch(packed, batch.length), { name: 'Bug' });
});
