/** Many connections at once do anything at any time, from a seed: what arrives is always the beginning of what was sent,
 *  and all of it when the sender ended properly. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bench, type End, LOCALHOST, onEachReactor, PLAIN, withLess } from './bench.js';

const PAIRS = 16;
const STEPS = 80;
const folder = mkdtempSync(join(tmpdir(), 'reactor-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let socketFiles = 0;

/** What everybody sends, each from an offset of its own. */
const block = randomBytes(8 * 1024 * 1024);

/** A small generator of integers from a seed (a 32-bit xorshift): the same seed gives the same run of choices. */
class Dice {
  private state: number;
  constructor(seed: number) {
    this.state = (seed * 0x9e3779b1) | 1;
  }
  below(limit: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % limit;
  }
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }
}

/** One end that sends, pauses and reads at random. */
class Actor {
  private readonly bench: Bench;
  private readonly dice: Dice;
  private readonly end: End;
  private readonly offset: number;
  sent = 0;
  steps = 0;
  hasEnded = false;

  constructor(bench: Bench, dice: Dice, end: End) {
    this.bench = bench;
    this.dice = dice;
    this.end = end;
    this.offset = dice.below(1000);
  }

  /** Says what is to arrive from `other`, and whom to tell of the end. */
  begin(other: Actor, onClosed: (errno: number) => void): void {
    const { dice, end } = this;
    end.onBytes = (memory, begin, to) => {
      assert.ok(!this.hasEnded, 'bytes after the end');
      const length = dice.oneIn(4) ? dice.below(to - begin + 1) : to - begin;
      if (length < to - begin || dice.oneIn(6)) this.pause();
      const from = other.offset + end.received;
      assert.equal(block.compare(memory.subarray(begin, begin + length), 0, length, from, from + length), 0);
      end.received += length;
      assert.ok(end.received <= other.sent, 'more than was sent');
      return begin + length;
    };
    end.onClosed = (errno) => {
      assert.ok(!this.hasEnded, 'a second end');
      this.hasEnded = true;
      onClosed(errno);
    };
  }

  /** Sends a little or much, and now and then nothing for a while. */
  act(then: () => void): void {
    if (this.hasEnded) return;
    if (this.steps++ === STEPS) return then();
    const { dice, end } = this;
    for (let pieces = dice.below(4); pieces > 0 && !end.socket.isCongested; pieces--) {
      const length = dice.oneIn(5) ? dice.below(90_000) : dice.below(3000);
      const from = this.offset + this.sent;
      if (from + length > block.length) break;
      end.socket.send(block, from, from + length);
      this.sent += length;
    }
    if (dice.oneIn(8)) this.pause();
    this.bench.after(dice.oneIn(3) ? dice.below(3) : 0, () => this.act(then));
  }

  private pause(): void {
    this.end.socket.pause(false);
    this.bench.after(this.dice.below(4), () => this.end.socket.resume());
  }
}

const NAME = `whatever ${PAIRS} connections do, nothing is lost, doubled or mixed up`;
for (const seed of [1, 2, 3, 4]) onEachReactor(`${NAME}; seed ${seed}`, (bench) => chaos(bench, seed));
for (const seed of [5, 6]) withLess(`${NAME}; seed ${seed}`, (bench) => chaos(bench, seed));

function chaos(bench: Bench, seed: number): void {
  const dice = new Dice(seed);
  let over = 0;
  for (let i = 0; i < PAIRS; i++) {
    const isUnix = dice.oneIn(2);
    const path = join(folder, `socket-${socketFiles++}`);
    bench.pair(
      (client, server) => {
        const [one, other] = [new Actor(bench, dice, client), new Actor(bench, dice, server)];
        const closer = dice.oneIn(2) ? one : other;
        const isProper = !dice.oneIn(4);
        const watch = (me: Actor, end: End, peer: Actor): void => {
          me.begin(peer, (errno) => {
            assert.notEqual(me, closer, 'told of the end that it made');
            if (isProper) assert.deepEqual([errno, end.received], [0, peer.sent]);
            if (++over === PAIRS) bench.after(10, () => bench.done());
          });
          me.act(() => {
            if (me !== closer) return;
            me.hasEnded = true;
            if (isProper) end.socket.closeAfterSend();
            else end.socket.close();
          });
        };
        watch(one, client, other);
        watch(other, server, one);
      },
      PLAIN,
      isUnix ? { kind: 'unix', path } : LOCALHOST,
    );
  }
  bench.run();
  assert.equal(over, PAIRS);
}
