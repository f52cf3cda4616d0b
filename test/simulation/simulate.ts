/** `npm run simulate -- --seed N --steps M --runs K`: runs of the simulator, one seed after the other. A seed that fails
 *  tells its story, and replays exactly. */
import { parseArgs } from 'node:util';
import { Simulation, scenarioOf } from './simulation.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '1' },
  },
});
const [first, steps, runs] = [values.seed, values.steps, values.runs].map(Number);
if (!first || !steps || !runs || first < 1 || steps < 1 || runs < 1) {
  console.error('simulate [--seed N] [--steps M] [--runs K], each a whole number from 1 on');
  process.exit(2);
}

for (let seed = first; seed < first + runs; seed++) {
  const simulation = new Simulation(seed, await scenarioOf(seed));
  try {
    simulation.run(steps);
  } catch (error) {
    console.error(simulation.world.story);
    console.error(
      `\nseed ${seed}, step ${simulation.world.steps}: ${error instanceof Error ? error.message : error}`,
    );
    process.exit(1);
  }
  const { world, changes } = simulation;
  console.log(
    `seed ${seed}: ${world.steps} steps, ${(world.nowMs / 1000).toFixed(0)} s of virtual time, ${changes.handOvers} servers handed over, ${changes.moves} clients moved, all was right`,
  );
}
