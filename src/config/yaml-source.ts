/** A YAML file as plain data, the places of its fields, and what is wrong with its syntax. YAML 1.2. */
import {
  type Document,
  type ErrorCode,
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
import type { Source } from './source.js';

/** Reads a text. Throws ConfigurationError with all that is wrong with its syntax. */
export function yamlSource(file: string, text: string): Source {
  const lines = new LineCounter();
  // Of what the library would print by itself nothing is lost: all of it is refused below, or by the schema.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const complaints = [
    ...[...document.errors, ...document.warnings].map((error) => ({
      at: error.pos[0],
      what: explained(error),
    })),
    ...danglingAliases(document).map((at) => ({ at, what: DANGLING_ALIAS })),
  ].map(({ at, what }) => ({ file, line: lines.linePos(at).line, field: '', what }));
  if (complaints.length > 0) throw new ConfigurationError(worthTelling(complaints));
  return {
    file,
    data: yamlData(file, document),
    lineOf: (path) => {
      const at = yamlPosition(document, path);
      return at < 0 ? 0 : lines.linePos(at).line;
    },
  };
}

/** What is no configuration at all has more wrong with it than anybody reads. */
const COMPLAINTS_MAX = 20;

/** Each once, and no more than are read. */
function worthTelling(complaints: readonly Complaint[]): readonly Complaint[] {
  const different = [...new Map(complaints.map((each) => [`${each.line} ${each.what}`, each])).values()];
  const more = different.length - COMPLAINTS_MAX;
  if (more <= 0) return different;
  const [first] = different;
  return [
    ...different.slice(0, COMPLAINTS_MAX),
    { file: first?.file ?? '', line: 0, field: '', what: `and ${more} more mistakes in its syntax` },
  ];
}

const UNKNOWN_TAG = 'an unknown tag or directive; a text that begins with ! or % wants quotes';
const DANGLING_ALIAS = 'an alias without its anchor; a text that begins with * wants quotes';
const UNEXPECTED = 'something unexpected; a text with special characters wants quotes';

/** What is said of wrong syntax; null: what the library says. Where that quotes the file it could be a password. */
const SYNTAX_ERRORS: Readonly<Record<ErrorCode, string | null>> = {
  ALIAS_PROPS: null,
  BAD_ALIAS: null,
  BAD_COLLECTION_TYPE: UNKNOWN_TAG,
  BAD_DIRECTIVE: UNKNOWN_TAG,
  BAD_DQ_ESCAPE: 'an unknown escape sequence; in double quotes a backslash is written twice',
  BAD_INDENT: null,
  BAD_PROP_ORDER: null,
  BAD_SCALAR_START: null,
  BLOCK_AS_IMPLICIT_KEY: null,
  BLOCK_IN_FLOW: null,
  DUPLICATE_KEY: null,
  IMPOSSIBLE: UNEXPECTED,
  KEY_OVER_1024_CHARS: null,
  MISSING_CHAR: null,
  MULTILINE_IMPLICIT_KEY: null,
  MULTIPLE_ANCHORS: null,
  MULTIPLE_DOCS: 'more than one document in a file',
  MULTIPLE_TAGS: null,
  NON_STRING_KEY: UNEXPECTED,
  RESOURCE_EXHAUSTION: 'nested too deep',
  TAB_AS_INDENT: null,
  TAG_RESOLVE_FAILED: UNKNOWN_TAG,
  UNEXPECTED_TOKEN: UNEXPECTED,
};

function explained({ code, message }: YAMLError): string {
  return SYNTAX_ERRORS[code] ?? message;
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
    throw new ConfigurationError([{ file, line: 0, field: '', what: 'its aliases stand for too much' }]);
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
