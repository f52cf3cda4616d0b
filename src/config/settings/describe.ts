/** What there is to say of each setting, taken out of the schema: for the reference, for files that are written, and
 *  for editors. Nothing here is written down a second time. */
import { z } from 'zod';
import { durationText, sizeText } from '../units.js';
import { EXAMPLES } from './examples.js';
import { docs, type FieldDocs, measures } from './fields.js';
import { fieldsOf } from './keys.js';
import { RUSSIAN } from './russian.js';

export const SECTIONS = ['general', 'pool', 'user', 'auth_query', 'prometheus'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Setting {
  readonly name: string;
  readonly texts: Readonly<Record<Language, string>>;
  readonly reload: FieldDocs['reload'];
  readonly isSecret: boolean;
  readonly type: ValueType;
  /** As it is written in a file, with units; undefined when there is none. */
  readonly default: unknown;
  /** What it may look like, for one that has no default; undefined when none is needed. */
  readonly example: unknown;
  readonly isRequired: boolean;
}

export type Language = 'en' | 'ru';

export type ValueType =
  | { readonly kind: 'text' | 'boolean' | 'list' | 'table' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** A range as it is written in a file; '' for an end that is none. */
  | { readonly kind: 'integer' | 'duration' | 'size'; readonly min: string; readonly max: string };

/** The settings of a section, in the order of the schema, without the users of a pool and its auth_query. */
export function settingsOf(section: Section): Setting[] {
  return fieldsOf(section)
    .filter(([name]) => section !== 'pool' || (name !== 'users' && name !== 'auth_query'))
    .map(([name, field]) => settingOf(section, name, field));
}

function settingOf(section: Section, name: string, field: z.ZodType): Setting {
  const { en = '', reload = 'restart', isSecret = false } = docs.get(field) ?? {};
  const type = typeOf(field);
  const preset = field instanceof z.ZodDefault ? field.def.defaultValue : undefined;
  return {
    name,
    texts: { en, ru: RUSSIAN[section]?.[name] ?? '' },
    reload,
    isSecret,
    type,
    default: asWritten(type, preset),
    example: EXAMPLES[section]?.[name],
    isRequired: !(field instanceof z.ZodDefault || field instanceof z.ZodOptional),
  };
}

function typeOf(schema: z.core.$ZodType): ValueType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return typeOf(schema.unwrap());
  const measure = measures.get(schema);
  if (measure !== undefined) {
    const text = measure.unit === 'duration' ? durationText : sizeText;
    const max = measure.max === Number.MAX_SAFE_INTEGER ? '' : text(measure.max);
    return { kind: measure.unit, min: text(measure.min), max };
  }
  if (schema instanceof z.ZodEnum) return { kind: 'choice', choices: schema.options.map(String) };
  if (schema instanceof z.ZodNumber) {
    return { kind: 'integer', min: String(schema.minValue ?? ''), max: String(schema.maxValue ?? '') };
  }
  if (schema instanceof z.ZodBoolean) return { kind: 'boolean' };
  if (schema instanceof z.ZodArray) return { kind: 'list' };
  return { kind: schema instanceof z.ZodObject ? 'table' : 'text' };
}

function asWritten({ kind }: ValueType, value: unknown): unknown {
  if (typeof value !== 'number' || value === 0) return value;
  if (kind === 'duration') return durationText(value);
  return kind === 'size' ? sizeText(value) : value;
}
