/** An outline as YAML. A line that begins with # and a blank is an explanation; one that begins with # and a name is a
 *  setting that is off: without its # it is on. */
import { parse, Scalar, stringify } from 'yaml';
import { areLines, type Entry, type Node, type Outline, type Table, type TableList } from './outline.js';

const INDENT = '  ';
const NO_WRAPPING = { lineWidth: 0, defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' } as const;

export function yamlText({ head, tables }: Outline): string {
  const blocks = tables.map((table) => linesOf(table).join('\n'));
  return `${[...(head.length > 0 ? [remarks(head).join('\n')] : []), ...blocks].join('\n\n')}\n`;
}

function linesOf(node: Node): string[] {
  const lines = contentOf(node);
  return [...remarks(node.comment), ...(node.isOff ? lines.map((line) => `#${line}`) : lines)];
}

function contentOf(node: Node): string[] {
  switch (node.kind) {
    case 'table':
      return tableLines(node);
    case 'list':
      return listLines(node);
    default:
      return entryLines(node);
  }
}

function entryLines({ key, value }: Entry): string[] {
  // A key is quoted by hand: what the library makes of a long one is no single line.
  const [first = '', ...rest] = stringify({ key: written(value) }, NO_WRAPPING)
    .trimEnd()
    .split('\n');
  return [first.replace('key', quotedKey(key)), ...rest];
}

/** A text of several lines, such as rules of access, as lines. */
function written(value: unknown): unknown {
  if (typeof value !== 'string' || !areLines(value)) return value;
  const block = new Scalar(value);
  block.type = Scalar.BLOCK_LITERAL;
  return block;
}

function tableLines({ key, nodes }: Table): string[] {
  if (!nodes.some(({ isOff }) => !isOff))
    return [`${quotedKey(key)}: {}`, ...indented(nodes.flatMap(linesOf))];
  return [`${quotedKey(key)}:`, ...indented(nodes.flatMap(linesOf))];
}

function listLines({ key, items }: TableList): string[] {
  if (items.length === 0) return [`${quotedKey(key)}: []`];
  return [`${quotedKey(key)}:`, ...items.flatMap((nodes) => indented(itemLines(nodes)))];
}

/** The dash stands in front of the first line that is in force; what is said before it stays above the dash. */
function itemLines(nodes: readonly Node[]): string[] {
  const lines = nodes.flatMap(linesOf);
  const first = lines.findIndex((line) => !line.startsWith('#'));
  return lines.map((line, index) => {
    if (index < first) return line;
    return index === first ? `- ${line}` : `${INDENT}${line}`;
  });
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? '' : `${INDENT}${line}`));
}

function remarks(comment: readonly string[]): string[] {
  return comment.map((line) => (line === '' ? '#' : `# ${line}`));
}

/** Only what is plainly a name goes without quotes. */
function quotedKey(key: string): string {
  return /^[A-Za-z_][\w.-]*$/.test(key) && parse(key) === key ? key : JSON.stringify(key);
}
