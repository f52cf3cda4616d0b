/** Texts of every length and content. None of them is a command that does harm or changes a session unseen. */
import type { Random } from '../support/random.js';

const WORDS = [
  '',
  '\0',
  '\0\0\0\0',
  "'",
  "E'\\'",
  '"',
  '\\',
  ';',
  '--',
  '/*',
  '$1',
  '$$',
  'select 1',
  'begin',
  'BEGIN;',
  'commit',
  'rollback',
  'discard all',
  'deallocate all',
  'search_path',
  'DOORMAN_1',
  'null',
  '%s%n%x',
  '\u{1f418}',
  '\ufeff',
  'n,,n=,r=',
  'SCRAM-SHA-256',
  '57P01',
  'FATAL',
] as const;
const LENGTHS = [1, 7, 63, 64, 255, 1023, 1025, 4097, 16_383, 16_390] as const;
const LONG = 70_000;

export function oddText(random: Random): Buffer<ArrayBuffer> {
  if (random.chance(0.6)) return Buffer.from(random.pick(WORDS));
  if (random.chance(0.5)) return randomBytes(random, random.below(40));
  const length = random.chance(0.05) ? LONG : random.pick(LENGTHS);
  return Buffer.alloc(length, random.pick(['A', ' ', "'", ',', '=', '\xff', '(']), 'latin1');
}

export function randomBytes(random: Random, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = random.below(256);
  return bytes;
}
