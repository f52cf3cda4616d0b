/** The settings by name and by place: for SHOW CONFIG, and for what is said of a value that is wrong. Places are those
 *  of pg_doorman's file unless another schema is given. */
import { z } from 'zod';
import type { Path } from '../complaints.js';
import { configurationSchema } from './configuration.js';
import { docs } from './fields.js';
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

const PLACES: Readonly<Record<keyof typeof SECTIONS, string>> = {
  general: 'general',
  prometheus: 'prometheus',
  pool: 'pools.NAME',
  user: 'pools.NAME.users',
  auth_query: 'pools.NAME.auth_query',
};

/** Where a setting of this name may stand. */
export function sectionsWith(key: string): readonly string[] {
  return Object.values(SECTIONS).flatMap((shape, index) =>
    Object.hasOwn(shape, key) ? (Object.values(PLACES)[index] ?? []) : [],
  );
}

/** The keys of the table at a path. */
export function knownKeys(path: Path, file: z.core.$ZodType = configurationSchema): readonly string[] {
  return schemasAt(path, file).flatMap((schema) =>
    schema instanceof z.ZodObject ? Object.keys(schema.shape) : [],
  );
}

/** Whether a wrong value at the path may be repeated to the operator: when a setting is to stand there, no secret and
 *  no section. Where nothing is known, or something larger is wanted, a password may have slipped in. */
export function mayBeShown(path: Path, file: z.core.$ZodType = configurationSchema): boolean {
  const schemas = schemasAt(path, file);
  const field = fieldAt(path, file);
  return (
    field !== undefined &&
    docs.get(field)?.isSecret !== true &&
    schemas.every((schema) => !isCompound(schema))
  );
}

/** The field as its section names it; undefined for what is none, such as an element of a list. */
function fieldAt(path: Path, file: z.core.$ZodType): z.core.$ZodType | undefined {
  for (const schema of schemasAt(path.slice(0, -1), file)) {
    const field: unknown = schema instanceof z.ZodObject ? schema.shape[String(path.at(-1))] : undefined;
    if (field instanceof z.ZodType) return field;
  }
  return undefined;
}

/** What may stand at a path, without the wrapping of defaults: several when a field has several forms. */
function schemasAt(path: Path, file: z.core.$ZodType): z.core.$ZodType[] {
  return path.reduce<z.core.$ZodType[]>(
    (schemas, part) => schemas.flatMap((schema) => below(schema, String(part))),
    formsOf(file),
  );
}

function below(schema: z.core.$ZodType, part: string): z.core.$ZodType[] {
  if (schema instanceof z.ZodRecord) return formsOf(schema.valueType);
  if (schema instanceof z.ZodArray) return formsOf(schema.element);
  const field: unknown = schema instanceof z.ZodObject ? schema.shape[part] : undefined;
  return field instanceof z.ZodType ? formsOf(field) : [];
}

function formsOf(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return formsOf(schema.unwrap());
  }
  if (schema instanceof z.ZodPipe) return formsOf(schema.in);
  return schema instanceof z.ZodUnion ? schema.options.flatMap(formsOf) : [schema];
}

function isCompound(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodObject || schema instanceof z.ZodRecord || schema instanceof z.ZodArray;
}
