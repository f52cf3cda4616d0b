/** Whoever guesses the console's password waits longer and longer, and nobody else does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attempt, FailedLogins } from '../../../src/pooler/failed-logins.js';
import { SimulatedReactor } from '../../simulation/simulated-reactor.js';
import { World } from '../../simulation/world.js';

class Stage {
  readonly world = new World(1);
  readonly reactor = new SimulatedReactor(this.world, () => () => null);
  readonly logins = new FailedLogins(this.reactor);

  /** How long an attempt from there waits until it is judged, in tens of milliseconds, since timers fire a little
   *  late; null when it is refused. Milliseconds. */
  waits(address: string): number | null {
    const begunMs = this.reactor.nowMs;
    let judgedMs = -1;
    const isTaken = this.logins.enter(address, {
      judge: () => {
        judgedMs = this.reactor.nowMs;
      },
    });
    if (!isTaken) return null;
    this.playUntil(() => judgedMs >= 0);
    return Math.floor((judgedMs - begunMs) / 10) * 10;
  }

  fail(address: string, times = 1): void {
    for (let i = 0; i < times; i++) this.logins.failed(address);
  }

  /** Lets so much time pass. */
  pass(ms: number): void {
    const untilMs = this.world.nowMs + ms;
    this.world.after(ms, () => this.reactor.wake());
    this.playUntil(() => this.world.nowMs >= untilMs);
    this.playUntil(() => this.reactor.nowMs >= untilMs);
  }

  private playUntil(isThere: () => boolean): void {
    this.reactor.wake();
    while (!isThere() && this.world.step());
  }
}

const attempt: Attempt = { judge: () => undefined };

test('the first attempt is judged at once, later ones after delays that double up to 8 seconds', () => {
  const stage = new Stage();
  const delays = Array.from({ length: 9 }, () => {
    const delay = stage.waits('10.0.0.1');
    stage.fail('10.0.0.1');
    return delay;
  });
  assert.deepEqual(delays, [0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
});

test('other addresses wait for nothing', () => {
  const stage = new Stage();
  stage.fail('10.0.0.1', 5);
  for (const other of ['10.0.0.2', '::1', '']) assert.equal(stage.waits(other), 0);
});

test('after ten quiet minutes an address begins anew', () => {
  const stage = new Stage();
  stage.fail('10.0.0.1', 3);
  stage.pass(599_000);
  assert.equal(stage.waits('10.0.0.1'), 1000);
  stage.pass(2_000);
  assert.equal(stage.waits('10.0.0.1'), 0);
  assert.equal(stage.logins.failed('10.0.0.1'), 1);
});

test('ten attempts of an address wait at a time, a further one is refused, and one that leaves makes room', () => {
  const stage = new Stage();
  stage.fail('10.0.0.1');
  const attempts = Array.from({ length: 10 }, () => ({ ...attempt }));
  for (const each of attempts) assert.ok(stage.logins.enter('10.0.0.1', each));
  assert.equal(stage.logins.enter('10.0.0.1', { ...attempt }), false);
  assert.equal(stage.waits('10.0.0.2'), 0);
  const [first] = attempts;
  assert.ok(first);
  stage.logins.leave(first);
  assert.equal(stage.logins.enter('10.0.0.1', { ...attempt }), true);
});

test('one that has left is not judged, and leaves no timer behind', () => {
  const stage = new Stage();
  stage.fail('10.0.0.1');
  let isJudged = false;
  const leaver: Attempt = {
    judge: () => {
      isJudged = true;
    },
  };
  stage.logins.enter('10.0.0.1', leaver);
  stage.logins.leave(leaver);
  assert.equal(stage.reactor.usage().timers, 0);
  stage.pass(10_000);
  assert.equal(isJudged, false);
});

test('an IPv6 network of 64 bits counts as one address', () => {
  const stage = new Stage();
  stage.fail('2001:db8::1', 2);
  assert.equal(stage.waits('2001:db8:0:0:ffff::2'), 500);
  assert.equal(stage.waits('2001:db8:0:1::1'), 0);
  assert.equal(stage.waits('::1'), 0);
});

test('a flood of addresses is forgotten but for the last thousand', () => {
  const stage = new Stage();
  for (let i = 0; i < 5000; i++) stage.fail(`10.0.${i >> 8}.${i & 255}`);
  assert.equal(stage.waits('10.0.0.1'), 0);
  assert.equal(stage.waits('10.0.19.135'), 250); // the last one
  assert.equal(stage.waits('10.0.15.136'), 250); // the 1024th from the end
  assert.equal(stage.waits('10.0.15.135'), 0);
});
