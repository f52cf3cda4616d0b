/** One configuration file as text and as plain data, and where in it a field stands. */
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { type Complaint, ConfigurationError, type Path } from './complaints.js';

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

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') throw complaint(file, 0, 'configuration file not found');
    if (code === 'EACCES') throw complaint(file, 0, 'cannot be read: permission denied');
    if (code === 'EISDIR') throw complaint(file, 0, 'is a directory, not a file');
    throw complaint(file, 0, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function yamlSource(file: string, text: string): Source {
  const lines = new LineCounter();
  // Of what the library would print by itself nothing is lost: all of it is refused below, or by the schema.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const complaints: Complaint[] = [
    ...document.errors.map((error) => ({ at: error.pos[0], what: withoutContent(error) })),
    ...document.warnings.map(({ pos }) => ({ at: pos[0], what: UNKNOWN_TAG })),
    ...danglingAliases(document).map((at) => ({ at, what: DANGLING_ALIAS })),
  ].map(({ at, what }) => ({ file, line: lines.linePos(at).line, field: '', what }));
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  return {
    file,
    data: yamlData(file, document),
    lineOf: (path) => {
      const at = yamlPosition(document, path);
      return at < 0 ? 0 : lines.linePos(at).line;
    },
  };
}

const UNKNOWN_TAG = 'an unknown tag or directive; a text that begins with ! or % wants quotes';
const DANGLING_ALIAS = 'an alias without its anchor; a text that begins with * wants quotes';

/** The parser quotes what it stumbles over, which may be a password. */
function withoutContent({ message }: YAMLError): string {
  return message.replace(/(?:: | \\).*$/s, '');
}

/** Where the aliases stand that refer to nothing. */
function danglingAliases(document: Document): number[] {
  const places: number[] = [];
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined) places.push(alias.range?.[0] ?? 0);
    },
  });
  return places;
}

function yamlData(file: string, document: Document): unknown {
  try {
    return document.toJS() ?? {};
  } catch {
    throw complaint(file, 0, 'its aliases stand for too much');
  }
}

/** Where the deepest part of a path begins that is there: at a field's name, or at an element of a list. */
function yamlPosition(document: Document, path: Path): number {
  let node: unknown = document.contents;
  let position = -1;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (pair === undefined) break;
      position = startOf(pair.key) ?? position;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      position = startOf(node) ?? position;
    } else break;
  }
  return position;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
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
