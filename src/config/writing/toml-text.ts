/** An outline as TOML. Remarks and settings that are off look as in YAML. */
import { stringify } from 'smol-toml';
import { isTable } from '../explain.js';
import { areLines, type Entry, type Node, type Outline, type Table, type TableList } from './outline.js';

export function tomlText({ head, tables }: Outline): string {
  const blocks = tables.flatMap((table) => tableBlocks(table, [])).map((lines) => lines.join('\n'));
  return `${[...(head.length > 0 ? [remarks(head).join('\n')] : []), ...blocks].join('\n\n')}\n`;
}

/** A table's own block, then those of the tables in it, as TOML wants it. */
function tableBlocks(table: Table, above: readonly string[]): string[][] {
  const path = [...above, table.key];
  const blocks = blocksOf(`[${dotted(path)}]`, table.nodes, path);
  const [[header = '', ...rest] = [], ...inner] = blocks;
  const isEmpty = rest.length === 0 && inner.length > 0;
  const own = [...remarks(table.comment), header, ...rest];
  const all = isEmpty && table.comment.length === 0 ? inner : [own, ...inner];
  return table.isOff ? all.map((lines) => lines.map((line) => `#${line}`)) : all;
}

function blocksOf(header: string, nodes: readonly Node[], path: readonly string[]): string[][] {
  const entries = nodes.filter((node) => node.kind === 'entry');
  const inner = nodes.filter((node) => node.kind !== 'entry');
  return [
    [header, ...entries.flatMap(entryLines)],
    ...inner.flatMap((node) => (node.kind === 'table' ? tableBlocks(node, path) : listBlocks(node, path))),
  ];
}

function listBlocks({ key, items, comment }: TableList, above: readonly string[]): string[][] {
  const path = [...above, key];
  const [first, ...rest] = items.flatMap((nodes) => blocksOf(`[[${dotted(path)}]]`, nodes, path));
  return first === undefined ? [] : [[...remarks(comment), ...first], ...rest];
}

function entryLines({ key, value, comment, isOff }: Entry): string[] {
  const lines = `${quotedKey(key)} = ${valueText(value)}`.split('\n');
  return [...remarks(comment), ...(isOff ? lines.map((line) => `#${line}`) : lines)];
}

function valueText(value: unknown): string {
  if (isTable(value)) {
    const fields = Object.entries(value).map(([key, each]) => `${quotedKey(key)} = ${valueText(each)}`);
    return `{ ${fields.join(', ')} }`;
  }
  if (typeof value === 'string' && areLines(value) && !/\\|"""/.test(value)) {
    return `"""\n${value}"""`;
  }
  return stringify({ key: value }).trimEnd().slice('key = '.length);
}

function dotted(path: readonly string[]): string {
  return path.map(quotedKey).join('.');
}

function quotedKey(key: string): string {
  return stringify({ [key]: 0 })
    .trimEnd()
    .slice(0, -' = 0'.length);
}

function remarks(comment: readonly string[]): string[] {
  return comment.map((line) => (line === '' ? '#' : `# ${line}`));
}
