/** The names that may stand in a section: for the suggestion beside a misspelt one, and for SHOW CONFIG. */
import type { z } from 'zod';
import type { Path } from '../complaints.js';
import { configurationSchema } from './configuration.js';
import { general, prometheus } from './general.js';
import { authQuery, pool, user } from './pool.js';

const SECTIONS = {
  general: general.shape,
  prometheus: prometheus.shape,
  pool: pool.shape,
  user: user.shape,
  auth_query: authQuery.shape,
} as const;

/** The fields of a kind of section. */
export function fieldsOf(section: keyof typeof SECTIONS): [string, z.ZodType][] {
  return Object.entries(SECTIONS[section]);
}

/** The keys of the table at a path. */
export function knownKeys(path: Path): readonly string[] {
  const [section, , third] = path;
  if (section === undefined) return Object.keys(configurationSchema.shape);
  if (section === 'general' || section === 'prometheus') return Object.keys(SECTIONS[section]);
  if (section !== 'pools') return [];
  if (third === 'users') return Object.keys(SECTIONS.user);
  return Object.keys(third === 'auth_query' ? SECTIONS.auth_query : SECTIONS.pool);
}
