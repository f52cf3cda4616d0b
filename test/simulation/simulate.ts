/** `npm run simulate -- --seed N --steps M --runs K`: runs of the simulator, one seed after the other. A seed that fails
 *  runs again, exactly as before, and tells its story. */
import { parseArgs } from 'node:util';
import { type Scenario, scenarioOf } from './scenario.js';
import { Simulation } from './simulation.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '1' },
    /** One line for all of them. */
    quiet: { type: 'boolean', default: false },
    /** A seed that fails is one line, and the next one follows. */
    'keep-going': { type: 'boolean', default: false },
  },
});
const [first, steps, runs] = [values.seed, values.steps, values.runs].map(Number);
if (!first || !steps || !runs || first < 1 || steps < 1 || runs < 1) {
  console.error(
    'simulate [--seed N] [--steps M] [--runs K] [--quiet] [--keep-going], each a whole number from 1 on',
  );
  process.exit(2);
}

// Of the many errors that are part of a run nobody asks where they come from.
Error.stackTraceLimit = 0;
let all = 0;
let failures = 0;
for (let seed = first; seed < first + runs; seed++) {
  const scenario = await scenarioOf(seed);
  const simulation = new Simulation(seed, scenario, false);
  try {
    simulation.run(steps);
  } catch (error) {
    failures++;
    if (values['keep-going']) {
      const [why] = String(error instanceof Error ? error.message : error).split('\n');
      console.log(`seed ${seed}, step ${simulation.world.steps}: ${why}`);
      continue;
    }
    tellStory(seed, scenario, steps);
    process.exit(1);
  }
  all += simulation.world.steps;
  if (!values.quiet) console.log(`seed ${seed}: ${simulation.summary}, all was right`);
}
const { user, system } = process.cpuUsage();
const minutes = (user + system) / 60_000_000;
console.log(
  `seeds ${first} to ${first + runs - 1}: ${all} steps, ${failures === 0 ? 'all was right' : `${failures} failed`}; ${((all / minutes) * 1e-6).toFixed(1)} million steps a minute of a core`,
);

function tellStory(seed: number, scenario: Scenario, limit: number): void {
  Error.stackTraceLimit = 50;
  const simulation = new Simulation(seed, scenario, true);
  let why: unknown = 'it does not fail again';
  try {
    simulation.run(limit);
  } catch (error) {
    why = error instanceof Error ? error.message : error;
  }
  const { story, steps } = simulation.world;
  console.error(`${story}\n\nseed ${seed}, step ${steps}: ${why}`);
}
