/** One configuration file as text and as plain data, and where in it a field stands. */
import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { ConfigurationError, type Path } from './complaints.js';
import { yamlSource } from './yaml-source.js';

export interface Source {
  readonly file: string;
  readonly data: unknown;
  /** The line that a field stands in, 0 when it does not stand there. */
  lineOf(path: Path): number;
}

/** Reads a file; its ending says what it is. Throws ConfigurationError. */
export function readSource(file: string): Source {
  const text = readText(file);
  switch (extname(file).toLowerCase()) {
    case '.yaml':
    case '.yml':
      return yamlSource(file, text);
    case '.toml':
      return tomlSource(file, text);
    default:
      throw complaint(file, 0, 'the name must end in .yaml, .yml or .toml');
  }
}

/** Beyond this no configuration is, and reading would hold the whole control plane up. */
const FILE_SIZE_MAX = 32 * 1024 * 1024;

function readText(file: string): string {
  const bytes = readBytes(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Left in, such bytes would become other characters: a password that nobody can log in with.
    throw complaint(file, lineOfWrongBytes(bytes), 'is not in UTF-8');
  }
}

function readBytes(file: string): Buffer {
  try {
    const facts = statSync(file);
    // A pipe would be waited for, and a device read for ever.
    if (!facts.isFile() && !facts.isDirectory()) throw complaint(file, 0, 'is no ordinary file');
    if (facts.size > FILE_SIZE_MAX) {
      throw complaint(file, 0, `is larger than ${FILE_SIZE_MAX / 1024 ** 2} MB: no configuration is`);
    }
    return readFileSync(file);
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') throw complaint(file, 0, 'configuration file not found');
    if (code === 'EACCES') throw complaint(file, 0, 'cannot be read: permission denied');
    if (code === 'EISDIR') throw complaint(file, 0, 'is a directory, not a file');
    throw complaint(file, 0, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function lineOfWrongBytes(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start <= bytes.length; line++) {
    const end = bytes.indexOf('\n', start);
    const past = end < 0 ? bytes.length : end;
    try {
      decoder.decode(bytes.subarray(start, past));
    } catch {
      return line;
    }
    start = past + 1;
  }
  return 0;
}

function tomlSource(file: string, text: string): Source {
  try {
    return { file, data: parseToml(text), lineOf: (path) => tomlLine(text, path) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw complaint(file, error.line, error.message.split('\n')[0] ?? 'wrong syntax');
  }
}

/** The parser keeps no places: the line is found by following the tables' headers down to the last key that is there. */
function tomlLine(text: string, path: Path): number {
  const lines = text.split('\n');
  let best = 0;
  let bestDepth = 0;
  let table: string[] = [];
  const counts = new Map<string, number>();
  lines.forEach((line, index) => {
    const header = /^\s*\[(\[)?\s*([^\]]+?)\s*\]/.exec(line);
    if (header?.[2] !== undefined) {
      table = keysIn(header[2]);
      if (header[1] !== undefined) {
        const name = table.join('.');
        const count = counts.get(name) ?? 0;
        counts.set(name, count + 1);
        table = [...table, String(count)];
      }
    }
    const key = header === null ? /^\s*([\w.\-"']+)\s*=/.exec(line)?.[1] : undefined;
    const here = key === undefined ? table : [...table, ...keysIn(key)];
    if (header === null && key === undefined) return;
    const depth = here.every((part, i) => part === String(path[i])) ? here.length : 0;
    if (depth > bestDepth) {
      best = index + 1;
      bestDepth = depth;
    }
  });
  return best;
}

function keysIn(dotted: string): string[] {
  return [...dotted.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
}

function complaint(file: string, line: number, what: string): ConfigurationError {
  return new ConfigurationError([{ file, line, field: '', what }]);
}
