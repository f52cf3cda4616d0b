/** TLS handshakes are begun so many a second, first come, first served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandshakeQueue } from '../../../src/pooler/handshake-queue.js';
import { SimulatedReactor } from '../../simulation/simulated-reactor.js';
import { World } from '../../simulation/world.js';

class Stage {
  readonly world = new World(1);
  readonly reactor = new SimulatedReactor(this.world, () => () => null);
  /** Who began, and when. */
  readonly begun: { name: number; atMs: number }[] = [];

  waiter(name: number): { beginHandshake(): void } {
    return { beginHandshake: () => this.begun.push({ name, atMs: this.reactor.nowMs }) };
  }

  /** Until nothing happens any more. */
  play(): void {
    this.reactor.wake();
    while (this.world.step());
  }
}

test('without a limit a handshake begins at once', () => {
  const stage = new Stage();
  new HandshakeQueue(stage.reactor, 0).enter(stage.waiter(1));
  assert.deepEqual(
    stage.begun.map(({ name }) => name),
    [1],
  );
});

for (const perSecond of [1, 10, 200]) {
  test(`${perSecond} a second are begun, in order`, () => {
    const stage = new Stage();
    const queue = new HandshakeQueue(stage.reactor, perSecond);
    const names = Array.from({ length: 3 * perSecond }, (_, i) => i);
    for (const name of names) queue.enter(stage.waiter(name));
    assert.equal(stage.begun.length, 0);
    stage.play();
    assert.deepEqual(
      stage.begun.map(({ name }) => name),
      names,
    );
    for (const { name, atMs } of stage.begun) {
      const second = stage.begun.filter((each) => each.atMs >= atMs && each.atMs < atMs + 1000);
      assert.ok(second.length <= perSecond * 1.1 + 1, `${second.length} within a second of ${name}`);
    }
    const lastMs = stage.begun.at(-1)?.atMs ?? 0;
    assert.ok(lastMs > 2700 && lastMs < 4500, `the last one began after ${lastMs} ms`);
    assert.equal(stage.reactor.usage().timers, 0);
  });
}

test('one that has left is passed over, and the last one takes the timer along', () => {
  const stage = new Stage();
  const queue = new HandshakeQueue(stage.reactor, 10);
  const [first, second] = [stage.waiter(1), stage.waiter(2)];
  queue.enter(first);
  queue.enter(second);
  queue.leave(first);
  queue.leave(second);
  assert.equal(stage.reactor.usage().timers, 0);
  queue.enter(first);
  queue.enter(second);
  queue.leave(first);
  stage.play();
  assert.deepEqual(
    stage.begun.map(({ name }) => name),
    [2],
  );
});

test('a limit that is taken away lets all begin', () => {
  const stage = new Stage();
  const queue = new HandshakeQueue(stage.reactor, 1);
  for (let name = 0; name < 100; name++) queue.enter(stage.waiter(name));
  queue.setLimit(0);
  stage.play();
  assert.equal(stage.begun.length, 100);
  assert.ok((stage.begun.at(-1)?.atMs ?? 0) < 100);
});
