/** The JSON Schema of the configuration file, made of the schema that checks it: editors complete and check by it. */
import { z } from 'zod';
import { configurationSchema } from './settings/configuration.js';
import { docs, measures } from './settings/fields.js';

/** What the parsers of units.ts take, for an editor. */
const PATTERNS = {
  duration: String.raw`^\s*\d+(\.\d+)?\s*(us|ms|s|m|h|d)?\s*$`,
  size: String.raw`^\s*\d+(\.\d+)?\s*([bB]|[kKmMgG][bB]?)?\s*$`,
} as const;

export function configurationJsonSchema(): object {
  const schema = z.toJSONSchema(configurationSchema, { io: 'input', override: addWhatIsKnown });
  return { ...schema, title: 'Configuration of pg_doorman' };
}

/** Texts, defaults and units, which the library does not see. */
function addWhatIsKnown({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodType;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}): void {
  const text = docs.get(zodSchema)?.en;
  if (text !== undefined) jsonSchema.description = text;
  const measure = measures.get(zodSchema);
  if (measure !== undefined) {
    delete jsonSchema.type;
    jsonSchema.anyOf = [
      { type: 'number', minimum: measure.min, maximum: measure.max },
      { type: 'string', pattern: PATTERNS[measure.unit] },
    ];
  }
  if (zodSchema instanceof z.ZodDefault) jsonSchema.default = zodSchema.def.defaultValue;
}
