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
const SEEDS_TO_FIND = 100;

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`what must hold does, with seed ${seed}`, async () => {
    const simulation = new Simulation(seed, await scenarioOf(seed), false);
    try {
      simulation.run(STEPS);
    } catch (error) {
      assert.fail(`${simulation.world.story}\n${error instanceof Error ? error.stack : error}`);
    }
  });
}

test('the same seed tells the same story', async () => {
  const stories = [];
  for (let i = 0; i < 2; i++) {
    const simulation = new Simulation(5, await scenarioOf(5), false);
    simulation.run(STEPS);
    stories.push(simulation.world.story);
  }
  assert.equal(stories[0], stories[1]);
});

describe('a bug that is planted is found', () => {
  for (const { name, plant } of MUTATIONS) {
    test(name, async (t) => {
      for (let seed = 1; seed <= SEEDS_TO_FIND; seed++) {
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
