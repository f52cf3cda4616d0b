/** The mutators together. */
import type { Random } from '../support/random.js';
import type { Material, Mutator } from './mutation.js';
import { cut } from './mutators/cut.js';
import { dictionary } from './mutators/dictionary.js';
import { double } from './mutators/double.js';
import { flip } from './mutators/flip.js';
import { lieAboutLength } from './mutators/length-lies.js';
import { splice } from './mutators/splice.js';
import { swapTag } from './mutators/tag-swap.js';

/** Lies about lengths and strange tags end a connection: the others come more often, and get deeper. */
const MUTATORS: readonly Mutator[] = [
  flip,
  flip,
  cut,
  cut,
  double,
  double,
  splice,
  splice,
  dictionary,
  dictionary,
  dictionary,
  swapTag,
  lieAboutLength,
];
const MUTATIONS_MAX = 3;

/** Changes what a side says with this probability, in up to three ways. */
export function mutate(
  random: Random,
  pieces: readonly Buffer[],
  material: Material,
  probability: number,
): readonly Buffer[] {
  if (!random.chance(probability)) return pieces;
  let mutated = pieces;
  for (let left = random.between(1, MUTATIONS_MAX); left > 0 && mutated.length > 0; left--) {
    mutated = random.pick(MUTATORS)(random, mutated, material);
  }
  return mutated;
}
