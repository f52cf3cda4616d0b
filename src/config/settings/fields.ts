/** The kinds of values that settings have, and what is said of each setting beside its type. */
import { z } from 'zod';
import { parseDuration, parseSize } from '../units.js';

/** When a change of the setting acts: at RELOAD on everything, at RELOAD on what begins afterwards, or at restart. */
type Reload = 'at once' | 'new connections' | 'restart';

export interface FieldDocs {
  readonly en: string;
  readonly reload: Reload;
  /** Its value is never shown. */
  readonly isSecret?: boolean;
}

/** What the reference, SHOW CONFIG and the complaints say of a field. */
export const docs = z.registry<FieldDocs>();

/** What a number with a unit measures, and its range in milliseconds or bytes. */
export interface Measure {
  readonly unit: 'duration' | 'size';
  readonly min: number;
  readonly max: number;
}

/** Which schemas are durations and sizes: a schema by itself knows only that it takes a number or a text. */
export const measures = z.registry<Measure>();

const HOUR_MS = 3_600_000;
export const YEAR_MS = 8760 * HOUR_MS;

/** A duration in milliseconds, with decimals down to microseconds. */
export function duration(range: { min?: number; max?: number } = {}) {
  const { min = 0, max = YEAR_MS } = range;
  const schema = z.union([z.number(), z.string()]).transform((value, context) => {
    const milliseconds = parseDuration(value);
    if (milliseconds === null) {
      context.addIssue(
        'is no duration; milliseconds as a number, or a number with us, ms, s, m, h or d: "5s"',
      );
      return z.NEVER;
    }
    if (milliseconds < min || milliseconds > max) {
      context.addIssue(`must be between ${min} ms and ${max} ms`);
      return z.NEVER;
    }
    return milliseconds;
  });
  return schema.register(measures, { unit: 'duration', min, max });
}

/** A size in bytes. */
export function size(range: { min?: number; max?: number } = {}) {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  const schema = z.union([z.number(), z.string()]).transform((value, context) => {
    const bytes = parseSize(value);
    if (bytes === null) {
      context.addIssue('is no size; bytes as a number, or a number with B, K, KB, M, MB, G or GB: "256MB"');
      return z.NEVER;
    }
    if (bytes < min || bytes > max) {
      context.addIssue(`must be between ${min} and ${max} bytes`);
      return z.NEVER;
    }
    return bytes;
  });
  return schema.register(measures, { unit: 'size', min, max });
}

export function integer(min: number, max: number) {
  return z.number().int().min(min).max(max);
}

export const port = integer(1, 65_535);

/** A text that is not empty. */
export const word = z.string().min(1);

/** The same, for a setting that must be there: without a default around it the schema itself carries the setting's
 *  text, and one that is shared would carry the last one's. */
export function aWord() {
  return z.string().min(1);
}

/** As sslmode of libpq. */
export const serverTlsMode = z.enum(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']);

/** For rules between fields: they are looked at even when a field is wrong by itself, so that everything is said at
 *  once. Such a rule gets a table, and cannot rely on the types of what is in it. */
export const ALTHOUGH_WRONG = {
  when: ({ value }: { readonly value: unknown }): boolean => typeof value === 'object' && value !== null,
} as const;
