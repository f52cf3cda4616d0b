/** The data plane in virtual time, with every kind of bad luck: bounded here, as long as one likes with `npm run
 *  simulate`. And bugs planted on purpose, each of which must be found. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MUTATIONS } from './mutations.js';
import { scenarioOf } from './scenario.js';
import { Simulation } from './simulation.js';
import { Broken } from './world.js';

const SEEDS = 12;
const STEPS = 15_000;
const SEEDS_TO_FIND = 300;

/** Seeds that have failed once, and what was wrong in the pooler or in the simulator. What was wrong in the pooler is also
 *  planted again: see MUTATIONS. */
const FAILED_ONCE = [
  { seed: 8, what: 'servers are opened and closed for ever while all is quiet' },
  { seed: 9, what: 'no descriptor for a server: its client slept through the news' },
  { seed: 13, what: 'a client of another process is given to a worker that has died' },
  { seed: 44, what: 'a worker dies with a server on its way to another' },
];

async function holds(seed: number): Promise<void> {
  const play = async (isTold: boolean): Promise<Simulation> =>
    new Simulation(seed, await scenarioOf(seed), isTold);
  try {
    (await play(false)).run(STEPS);
  } catch {
    const simulation = await play(true);
    assert.throws(() => simulation.run(STEPS), 'it does not fail again');
    assert.fail(simulation.world.story);
  }
}

for (let seed = 1; seed <= SEEDS; seed++) test(`what must hold does, with seed ${seed}`, () => holds(seed));

for (const { seed, what } of FAILED_ONCE) test(`${what}: seed ${seed}`, () => holds(seed));

test('the same seed tells the same story', async () => {
  const stories = [];
  for (let i = 0; i < 2; i++) {
    const simulation = new Simulation(5, await scenarioOf(5), true);
    simulation.run(STEPS);
    stories.push(simulation.world.story);
  }
  assert.equal(stories[0], stories[1]);
});

describe('a bug that is planted is found', () => {
  for (const { name, seed: first = 1, plant } of MUTATIONS) {
    test(name, async (t) => {
      for (let seed = first; seed < first + SEEDS_TO_FIND; seed++) {
        const scenario = await scenarioOf(seed);
        const remove = plant();
        const simulation = new Simulation(seed, scenario, false);
        try {
          simulation.run(STEPS);
        } catch (error) {
          if (!(error instanceof Broken)) throw error;
          t.diagnostic(`seed ${seed}, step ${simulation.world.steps}: ${error.message.split('\n')[0]}`);
          return;
        } finally {
          remove();
        }
      }
      assert.fail(`not found with ${SEEDS_TO_FIND} seeds of ${STEPS} steps`);
    });
  }
});
