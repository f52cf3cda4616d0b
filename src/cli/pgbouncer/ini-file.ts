/** pgbouncer.ini as entries by section, with what it includes. Not for the libraries that read INI: PgBouncer's form
 *  has no remarks behind a value, no quotes around one, and names of databases in double quotes. PgBouncer manual,
 *  "pgbouncer.ini". */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export interface IniEntry {
  readonly key: string;
  readonly value: string;
  /** FILE:LINE */
  readonly place: string;
}

/** Section to key to entry; an entry that comes later replaces one of the same key. */
export type IniFile = ReadonlyMap<string, ReadonlyMap<string, IniEntry>>;

/** A file of PgBouncer is not there or not understood. */
export class CannotReadPgBouncer extends Error {
  override readonly name = 'CannotReadPgBouncer';
}

const INCLUDE_DEPTH_MAX = 10;
const ENTRY = /^(?:"((?:[^"]|"")*)"|([\w.\-*]+))\s*=\s*(.*)$/;

/** Reads a file and what it includes. Throws CannotReadPgBouncer. */
export function readIniFile(file: string): IniFile {
  const sections = new Map<string, Map<string, IniEntry>>();
  readInto(sections, file, '', 0);
  return sections;
}

/** Returns the section that is open at the end: PgBouncer goes on in it after an include. */
function readInto(
  sections: Map<string, Map<string, IniEntry>>,
  file: string,
  openSection: string,
  depth: number,
): string {
  let section = openSection;
  readText(file)
    .split('\n')
    .forEach((content, index) => {
      const line = content.trim();
      const place = `${file}:${index + 1}`;
      if (line === '' || line.startsWith(';') || line.startsWith('#')) return;
      const included = /^%include\s+(.+)$/.exec(line)?.[1];
      if (included !== undefined) {
        if (depth === INCLUDE_DEPTH_MAX) {
          throw new CannotReadPgBouncer(`${place}: includes are more than ${INCLUDE_DEPTH_MAX} files deep`);
        }
        section = readInto(sections, fileBeside(included, file), section, depth + 1);
        return;
      }
      const header = /^\[(.+)\]$/.exec(line)?.[1];
      if (header !== undefined) section = header.trim();
      else entriesOf(sections, section).set(...keyAndEntry(line, place));
    });
  return section;
}

function entriesOf(sections: Map<string, Map<string, IniEntry>>, section: string): Map<string, IniEntry> {
  const entries = sections.get(section) ?? new Map<string, IniEntry>();
  sections.set(section, entries);
  return entries;
}

function keyAndEntry(line: string, place: string): [string, IniEntry] {
  const [, quoted, plain, value] = ENTRY.exec(line) ?? [];
  const key = quoted?.replaceAll('""', '"') ?? plain;
  // The line is not repeated: there may be a password in it.
  if (key === undefined || value === undefined)
    throw new CannotReadPgBouncer(`${place}: is no "key = value"`);
  return [key, { key, value, place }];
}

/** PgBouncer looks in the directory that it was started in, which is not always ours: then beside the file. */
export function fileBeside(name: string, file: string): string {
  const here = resolve(name);
  return existsSync(here) ? here : resolve(dirname(file), name);
}

/** Throws CannotReadPgBouncer. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CannotReadPgBouncer(`${file} cannot be read (${code})`);
  }
}
