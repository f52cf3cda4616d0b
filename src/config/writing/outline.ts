/** A configuration file before it is YAML or TOML: tables, lists of tables and entries, with what is said of them. */

export type Node = Entry | Table | TableList;

export interface Entry {
  readonly kind: 'entry';
  readonly key: string;
  readonly value: unknown;
  readonly comment: readonly string[];
  /** Is there to be read, and in force only when its mark is taken away. */
  readonly isOff: boolean;
}

export interface Table {
  readonly kind: 'table';
  readonly key: string;
  readonly nodes: readonly Node[];
  readonly comment: readonly string[];
  readonly isOff: boolean;
}

/** A list of tables, such as users. */
export interface TableList {
  readonly kind: 'list';
  readonly key: string;
  readonly items: readonly (readonly Node[])[];
  readonly comment: readonly string[];
  readonly isOff: boolean;
}

/** A file: what stands above everything, and its tables. */
export interface Outline {
  readonly head: readonly string[];
  readonly tables: readonly Table[];
}

export function entry(key: string, value: unknown, comment: readonly string[] = [], isOff = false): Entry {
  return { kind: 'entry', key, value, comment, isOff };
}

/** Whether a text reads better as lines: rules of access do; what has odd characters is written with escapes. */
export function areLines(text: string): boolean {
  return /^[^\s\p{Cc}]([^\p{Cc}]|\n)*\n([^\p{Cc}]|\n)*[^\s\p{Cc}]\n?$/u.test(text);
}

/** Without comments, and without what is not in force. */
export function plain({ tables }: Outline): Outline {
  return { head: [], tables: tables.filter(({ isOff }) => !isOff).map(plainTable) };
}

function plainTable(table: Table): Table {
  return { ...table, comment: [], nodes: plainNodes(table.nodes) };
}

function plainNodes(nodes: readonly Node[]): Node[] {
  return nodes.filter(({ isOff }) => !isOff).map(plainNode);
}

function plainNode(node: Node): Node {
  switch (node.kind) {
    case 'table':
      return plainTable(node);
    case 'list':
      return { ...node, comment: [], items: node.items.map(plainNodes) };
    default:
      return { ...node, comment: [] };
  }
}

/** What the file says to a machine. */
export function dataOf({ tables }: Outline): Record<string, unknown> {
  return dataOfNodes(tables);
}

function dataOfNodes(nodes: readonly Node[]): Record<string, unknown> {
  return Object.fromEntries(
    nodes.filter(({ isOff }) => !isOff).map((node): [string, unknown] => [node.key, dataOfNode(node)]),
  );
}

function dataOfNode(node: Node): unknown {
  switch (node.kind) {
    case 'table':
      return dataOfNodes(node.nodes);
    case 'list':
      return node.items.map(dataOfNodes);
    default:
      return node.value;
  }
}
