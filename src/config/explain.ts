/** From what the schema finds wrong to what an operator reads: the place, the value where it may be seen, and what would
 *  be right. */
import type { z } from 'zod';
import { type Complaint, fieldText, nearest, type Path } from './complaints.js';
import { knownKeys, mayBeShown, sectionsWith } from './settings/keys.js';
import type { Source } from './source.js';

/** `merged`: the values that the schema was given, from all sources together; `file`: another schema than that of
 *  pg_doorman's file. */
export function complaintsOf(
  issue: z.core.$ZodIssue,
  sources: readonly Source[],
  merged: unknown,
  file?: z.core.$ZodType,
): Complaint[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      ...complaintAt([...path, key], unknownKey(key, path, file), sources),
      field: fieldText([...path, nameIn(key)]),
    }));
  }
  if (issue.code === 'invalid_union') {
    // A union complains as a whole; what the form says that the value has is said instead.
    const form = issue.errors.find((each) => !each.some(isOfWrongKind));
    if (form !== undefined) {
      return form.flatMap((each) =>
        complaintsOf({ ...each, path: [...path, ...each.path] }, sources, merged, file),
      );
    }
  }
  return [complaintAt(path, `${shown(path, valueAt(merged, path), file)}${explained(issue)}`, sources)];
}

/** The value as a whole, not something in it. */
function isOfWrongKind({ code, path }: z.core.$ZodIssue): boolean {
  return code === 'invalid_type' && path.length === 0;
}

function explained(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'is missing' : wrongKind([issue.expected]);
    case 'invalid_union':
      return wrongKind(issue.errors.flat().flatMap((each) => ('expected' in each ? [each.expected] : [])));
    case 'invalid_key':
      return issue.issues[0]?.message ?? issue.message;
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

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a table',
  record: 'a table',
  string: 'a text',
};

function wrongKind(expected: readonly string[]): string {
  return `is of a wrong kind: wants ${expected.map((kind) => KINDS[kind] ?? kind).join(' or ')}`;
}

function unknownKey(key: string, path: Path, file?: z.core.$ZodType): string {
  const known = knownKeys(path, file);
  const longer = known.find((each) => each.endsWith(`_${key}`));
  const elsewhere = longer === undefined && file === undefined ? sectionsWith(key) : [];
  if (elsewhere.length > 0) return `is no setting here; it is one of ${elsewhere.join(', ')}`;
  const suggestion = longer ?? nearest(key, known);
  return suggestion === '' ? 'is no setting' : `is no setting; did you mean ${suggestion}?`;
}

/** A key as far as it looks like one: `{password:x}` has the key "password:x", and what follows is not for the log. */
function nameIn(key: string): string {
  const [name = ''] = /^[\w-]*/.exec(key) ?? [];
  return name === key ? key : `${name}…`;
}

/** The value in front of what is wrong with it; nothing when it is absent or not to be seen. */
function shown(path: Path, value: unknown, file?: z.core.$ZodType): string {
  if (value === undefined || typeof value === 'object' || !mayBeShown(path, file)) return '';
  return `${typeof value === 'string' ? JSON.stringify(value) : String(value)} `;
}

/** One complaint, with the file and line where the field stands, or the section that it is missing in; later files win, as their values
 *  do. */
export function complaintAt(path: Path, what: string, sources: readonly Source[]): Complaint {
  for (let length = path.length; length > 0; length--) {
    const source = sources.findLast(({ data }) => valueAt(data, path.slice(0, length)) !== undefined);
    if (source !== undefined)
      return { file: source.file, line: source.lineOf(path), field: fieldText(path), what };
  }
  return { file: sources[0]?.file ?? '', line: 0, field: fieldText(path), what };
}

/** What stands at a path in plain data; undefined when nothing does. */
export function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value)) return value[Number(part)];
    return isTable(value) ? value[String(part)] : undefined;
  }, data);
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
