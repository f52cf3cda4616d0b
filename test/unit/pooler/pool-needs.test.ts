/** Which worker gets a server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PoolNeeds } from '../../../src/pooler/pool-needs.js';
import { SharedPool, sharedPoolsBytes } from '../../../src/pooler/shared-pool.js';
import { NO_WORKER } from '../../../src/pooler/worker-board.js';

const MS = 32; // ticks
/** Long after the last turn. */
const NOW = 10_000 * MS;

/** A worker as the others see it. */
interface Side {
  readonly servers: number;
  readonly waiting?: number;
  /** Of the first of those who wait, when the worker asks for it. Ticks. */
  readonly asksFor?: number;
  /** How long its clients wait usually. Ticks. */
  readonly usual?: number;
}

/** What the first of them sees. */
function needsOf(...sides: readonly Side[]): { needs: PoolNeeds; pools: readonly SharedPool[] } {
  const memory = new SharedArrayBuffer(sharedPoolsBytes(1, sides.length));
  const pools = sides.map((_, self) => new SharedPool(memory, 0, sides.length, self));
  const all = sides.map(({ servers, waiting = 0, asksFor, usual }, self) => {
    const pool = pools[self];
    assert.ok(pool);
    const needs = new PoolNeeds(pool);
    for (let server = 0; server < servers; server++) {
      assert.ok(pool.reserve(100, 100));
      pool.openingEnds();
    }
    const since = NOW - (asksFor ?? 0);
    for (let client = 0; client < waiting; client++) pool.waits(1, since);
    if (asksFor !== undefined) pool.ask(since);
    for (let client = 0; usual !== undefined && client < 500; client++) needs.served(usual);
    return needs;
  });
  const [needs] = all;
  assert.ok(needs);
  return { needs, pools };
}

const wantedFor = (ownWait: number, ...sides: readonly Side[]): number =>
  needsOf(...sides).needs.whoNeedsMore(ownWait, NOW);
/** Where one has come or gone a moment ago. */
function idleFor(ms: number, ...sides: readonly Side[]): number {
  const { needs } = needsOf(...sides);
  needs.turnBegins(NOW - MS);
  return needs.whoNeeds(ms, NOW);
}

// ── nobody wants it here ─────────────────────────────────────────────────────────────────────────────────────────

test('a server that nobody wants here goes at once to a worker that has none', () => {
  assert.equal(idleFor(0, { servers: 2 }, { servers: 0, waiting: 1, asksFor: 0 }), 1);
});

test('… but not before that worker has looked whether its own come back', () => {
  assert.equal(idleFor(1_000, { servers: 2 }, { servers: 1, waiting: 1 }), NO_WORKER);
});

test('… to one that has some when it would have been wanted here by now', () => {
  const other = { servers: 5, waiting: 5, asksFor: 2 * MS, usual: 3 * MS };
  assert.equal(idleFor(1, { servers: 5 }, other), NO_WORKER);
  assert.equal(idleFor(2, { servers: 5 }, other), 1);
  // Where clients wait as long as there it soon is.
  assert.equal(idleFor(2, { servers: 5, usual: 3 * MS }, other), NO_WORKER);
  assert.equal(idleFor(10, { servers: 5, usual: 3 * MS }, other), 1);
});

test('… at once when somebody waits much longer there than anybody usually does', () => {
  const here = { servers: 5, usual: 3 * MS };
  assert.equal(idleFor(0, here, { servers: 5, waiting: 1, asksFor: 6 * MS, usual: 3 * MS }), NO_WORKER);
  assert.equal(idleFor(0, here, { servers: 5, waiting: 1, asksFor: 7 * MS, usual: 3 * MS }), 1);
  assert.equal(idleFor(0, here, { servers: 5, waiting: 1, asksFor: 7 * MS, usual: 5 * MS }), NO_WORKER);
});

test('… and at its turn to one whose clients usually wait longer', () => {
  const { needs } = needsOf({ servers: 10 }, { servers: 5, waiting: 1, usual: MS / 2 });
  assert.equal(needs.whoNeeds(0, NOW), 1);
  needs.turnBegins(NOW);
  assert.equal(needs.whoNeeds(0, NOW + 99 * MS), NO_WORKER);
  assert.equal(needs.whoNeeds(0, NOW + 101 * MS), 1);
});

test('of several workers the one whose client waits longest gets it, unless others are on their way there', () => {
  const { needs, pools } = needsOf(
    { servers: 5 },
    { servers: 0, waiting: 1, asksFor: 8 * MS },
    { servers: 0, waiting: 1, asksFor: 9 * MS },
  );
  assert.equal(needs.whoNeeds(0, NOW), 2);
  assert.ok(pools[0]?.pledge(2));
  assert.equal(needs.whoNeeds(0, NOW), 1);
});

// ── somebody wants it here ───────────────────────────────────────────────────────────────────────────────────────

test('workers whose clients wait alike keep their servers, whoever is first at a moment', () => {
  const here = { servers: 5, waiting: 5, usual: 10 * MS };
  assert.equal(
    wantedFor(9 * MS, here, { servers: 5, waiting: 5, asksFor: 15 * MS, usual: 10.5 * MS }),
    NO_WORKER,
  );
});

test('one whose clients usually wait longer gets a server, and no other before the next turn', () => {
  const { needs } = needsOf(
    { servers: 5, waiting: 5, usual: 10 * MS },
    { servers: 4, waiting: 6, usual: 12 * MS },
  );
  assert.equal(needs.whoNeedsMore(10 * MS, NOW), 1);
  needs.turnBegins(NOW);
  assert.equal(needs.whoNeedsMore(10 * MS, NOW + 99 * MS), NO_WORKER);
  assert.equal(needs.whoNeedsMore(10 * MS, NOW + 101 * MS), 1);
});

test('a turn is not shorter than what clients wait: before that nobody sees what it has done', () => {
  const { needs, pools } = needsOf(
    { servers: 5, waiting: 500, usual: 300 * MS },
    { servers: 4, waiting: 600, usual: 400 * MS },
  );
  needs.turnBegins(NOW);
  assert.equal(needs.whoNeedsMore(300 * MS, NOW + 290 * MS), NO_WORKER);
  assert.equal(needs.whoNeedsMore(300 * MS, NOW + 310 * MS), 1);
  const [, other] = pools;
  assert.ok(other);
  other.turnSince = NOW; // it got one then
  assert.equal(needs.whoNeedsMore(300 * MS, NOW + 390 * MS), NO_WORKER);
  assert.equal(needs.whoNeedsMore(300 * MS, NOW + 410 * MS), 1);
});

test('… nor longer than a second: where servers do not come back nobody waits for a turn until the end', () => {
  const { needs, pools } = needsOf(
    { servers: 5, waiting: 50, usual: 10 * MS },
    { servers: 1, waiting: 1, usual: 5_000 * MS },
  );
  const [, other] = pools;
  assert.ok(other);
  other.turnSince = NOW;
  assert.equal(needs.whoNeedsMore(10 * MS, NOW + 990 * MS), NO_WORKER);
  assert.equal(needs.whoNeedsMore(10 * MS, NOW + 1_010 * MS), 1);
});

test('who waits too long gets servers out of turn, as long as there are no more of them there for each client', () => {
  const from = (servers: number): number => {
    const { needs } = needsOf(
      { servers: 10, waiting: 10, usual: 10 * MS },
      { servers, waiting: 10, asksFor: 20 * MS, usual: 10 * MS },
    );
    needs.turnBegins(NOW);
    return needs.whoNeedsMore(10 * MS, NOW + 2 * MS);
  };
  assert.equal(from(7), 1);
  assert.equal(from(8), NO_WORKER);
});

test('… and where many wait for each server a little longer is too long', () => {
  const from = (waiting: number): number => {
    const { needs } = needsOf(
      { servers: 10, waiting: 10, usual: 10 * MS },
      { servers: 4, waiting, asksFor: 14 * MS, usual: 10 * MS },
    );
    needs.turnBegins(NOW);
    return needs.whoNeedsMore(10 * MS, NOW + 2 * MS);
  };
  assert.equal(from(9), NO_WORKER);
  assert.equal(from(10), 1);
});

test('a worker without servers gets one as soon as its client has waited longest; of the only one all have a turn', () => {
  const other = { servers: 0, waiting: 5, asksFor: 12 * MS };
  assert.equal(wantedFor(11 * MS, { servers: 2, waiting: 5 }, other), NO_WORKER);
  assert.equal(wantedFor(10 * MS, { servers: 2, waiting: 5 }, other), 1);
  const { needs } = needsOf({ servers: 1, waiting: 5 }, other);
  needs.turnBegins(NOW);
  assert.equal(needs.whoNeedsMore(MS, NOW + 24 * MS), NO_WORKER);
  assert.equal(needs.whoNeedsMore(MS, NOW + 26 * MS), 1);
});

test('whoever waits for a server that does not come back gets another, whatever the counts', () => {
  const here = { servers: 5, waiting: 50, usual: 10 * MS };
  assert.equal(wantedFor(10 * MS, here, { servers: 1, waiting: 1, asksFor: 1_000 * MS }), 1);
});

test('a worker that has one on its way gets no other that is wanted here', () => {
  const { needs, pools } = needsOf({ servers: 5, waiting: 1 }, { servers: 0, waiting: 5, asksFor: 500 * MS });
  assert.ok(pools[0]?.pledge(1));
  assert.equal(needs.whoNeedsMore(MS, NOW), NO_WORKER);
});
