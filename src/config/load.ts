/** From a file's name to a configuration that is right, or to everything that is wrong with it. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { type Complaint, ConfigurationError, fieldText, nearest, type Path } from './complaints.js';
import { type HbaRule, parsePgHba, rulesOfNetworks } from './hba.js';
import { notInForce } from './not-in-force.js';
import { type Configuration, configurationSchema, include } from './settings/configuration.js';
import { knownKeys } from './settings/keys.js';
import { readSource, type Source } from './source.js';

export type { Configuration };

export interface LoadedConfiguration {
  readonly configuration: Configuration;
  /** null: no rules, everybody may try. */
  readonly accessRules: readonly HbaRule[] | null;
  /** Settings in the files whose feature is not built yet, as fields. */
  readonly notInForce: readonly string[];
  /** The files that it came from, the first one first. */
  readonly files: readonly string[];
}

/** An include may include, but not for ever. */
const INCLUDE_DEPTH_MAX = 8;
const SECRET = /password/;

/** Reads a configuration file and what it includes. Throws ConfigurationError with all complaints. */
export function loadConfiguration(path: string): LoadedConfiguration {
  const sources = readAll(path, []);
  const merged = sources.map(({ data }) => data).reduce(merge, {});
  const parsed = configurationSchema.safeParse(merged);
  if (!parsed.success) {
    throw new ConfigurationError(
      parsed.error.issues
        .flatMap((issue) => complaintsOf(issue, sources, merged))
        .sort((a, b) => a.line - b.line),
    );
  }
  return {
    configuration: parsed.data,
    accessRules: accessRulesOf(parsed.data, sources),
    notInForce: notInForce(merged),
    files: sources.map(({ file }) => file),
  };
}

function readAll(path: string, above: readonly string[]): Source[] {
  const file = resolve(path);
  const complain = (what: string): ConfigurationError =>
    new ConfigurationError([{ file: path, line: 0, field: 'include.files', what }]);
  if (above.includes(file)) throw complain('includes itself');
  if (above.length === INCLUDE_DEPTH_MAX) throw complain(`more than ${INCLUDE_DEPTH_MAX} files deep`);
  const source = readSource(path);
  if (!isTable(source.data))
    throw new ConfigurationError([{ file: path, line: 1, field: '', what: 'is no table of settings' }]);
  const included = include.safeParse(source.data.include ?? {});
  if (!included.success) return [source]; // the whole is judged later, with its line
  return [
    source,
    ...included.data.files.flatMap((each) => readAll(resolve(dirname(file), each), [...above, file])),
  ];
}

/** Tables are joined, everything else is replaced by what comes later; `include` belongs to its own file. */
function merge(earlier: unknown, later: unknown): unknown {
  if (!isTable(earlier) || !isTable(later)) return later;
  const joined: Record<string, unknown> = { ...earlier };
  for (const [key, value] of Object.entries(later)) {
    joined[key] = key in joined ? merge(joined[key], value) : value;
  }
  return joined;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function complaintsOf(issue: z.core.$ZodIssue, sources: readonly Source[], merged: unknown): Complaint[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => at([...path, key], unknownKey(key, path), sources));
  }
  // A union complains as a whole; what fits the value's own form best is said instead.
  if (issue.code === 'invalid_union') {
    const value = valueAt(merged, path);
    const branch =
      issue.errors.find((each) => each.every(({ path: inner }) => inner.length > 0)) ?? issue.errors[0];
    if (branch !== undefined && typeof value === 'object' && branch.length > 0) {
      return branch.flatMap((each) =>
        complaintsOf({ ...each, path: [...path, ...each.path] }, sources, merged),
      );
    }
    return [at(path, `${shown(path, value)} is of a wrong kind`, sources)];
  }
  const value = valueAt(merged, path);
  const prefix =
    value === undefined || isTable(value) || Array.isArray(value) ? '' : `${shown(path, value)} `;
  return [at(path, `${prefix}${explained(issue)}`, sources)];
}

function explained(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined && issue.message.includes('undefined')
        ? 'is missing'
        : `is of a wrong kind: ${issue.expected} wanted`;
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    default:
      return issue.message;
  }
}

function unknownKey(key: string, path: Path): string {
  const suggestion = nearest(key, knownKeys(path));
  return suggestion === '' ? 'is no setting' : `is no setting; did you mean ${suggestion}?`;
}

function shown(path: Path, value: unknown): string {
  return SECRET.test(String(path.at(-1))) ? 'its value' : JSON.stringify(value);
}

/** The file and line where the field stands; later files win, as their values do. */
function at(path: Path, what: string, sources: readonly Source[]): Complaint {
  for (const source of [...sources].reverse()) {
    if (valueAt(source.data, path) === undefined) continue;
    return { file: source.file, line: source.lineOf(path), field: fieldText(path), what };
  }
  const [first] = sources;
  return { file: first?.file ?? '', line: first?.lineOf(path) ?? 0, field: fieldText(path), what };
}

function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value)) return value[Number(part)];
    return isTable(value) ? value[String(part)] : undefined;
  }, data);
}

function accessRulesOf({ general }: Configuration, sources: readonly Source[]): readonly HbaRule[] | null {
  if (general.hba.length > 0) {
    const rules = rulesOfNetworks(general.hba);
    if (typeof rules === 'string') throw new ConfigurationError([at(['general', 'hba'], rules, sources)]);
    return rules;
  }
  if (general.pg_hba === undefined) return null;
  if (typeof general.pg_hba === 'string') return parsePgHba(general.pg_hba).rules;
  if ('content' in general.pg_hba) return parsePgHba(general.pg_hba.content).rules;
  return rulesOfFile(general.pg_hba.path, sources);
}

function rulesOfFile(path: string, sources: readonly Source[]): HbaRule[] {
  const file = resolve(dirname(sources[0]?.file ?? ''), path);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigurationError([
      at(['general', 'pg_hba', 'path'], `${file} cannot be read (${why})`, sources),
    ]);
  }
  const { rules, complaints } = parsePgHba(text);
  if (complaints.length > 0) {
    throw new ConfigurationError(complaints.map(({ line, what }) => ({ file, line, field: '', what })));
  }
  return rules;
}
