/** pg_hba.conf, as far as a pooler has use for it. Options behind the method are not looked at.
 *  PostgreSQL manual, "The pg_hba.conf File".
 *
 *      type  database  user  [address  [mask]]  method  [options]
 */
import { isIP, isIPv4 } from 'node:net';

export interface HbaRule {
  readonly type: 'local' | 'host' | 'hostssl' | 'hostnossl';
  /** Empty: all. */
  readonly databases: readonly string[];
  /** Empty: all. */
  readonly users: readonly string[];
  /** null for `local`. */
  readonly network: { readonly address: string; readonly prefixLength: number } | null;
  readonly method: 'trust' | 'md5' | 'scram-sha-256' | 'reject' | 'unknown';
  readonly line: number;
}

export interface HbaComplaint {
  readonly line: number;
  readonly what: string;
}

const TYPES = ['local', 'host', 'hostssl', 'hostnossl'] as const;
const METHODS = ['trust', 'md5', 'scram-sha-256', 'reject'] as const;
const EVERY_ADDRESS = [
  { address: '0.0.0.0', prefixLength: 0 },
  { address: '::', prefixLength: 0 },
];

/** Reads rules. What is wrong with some does not keep the others from being read. */
export function parsePgHba(text: string): { readonly rules: HbaRule[]; readonly complaints: HbaComplaint[] } {
  const rules: HbaRule[] = [];
  const complaints: HbaComplaint[] = [];
  text.split('\n').forEach((content, index) => {
    const line = index + 1;
    const words = tokens(content);
    if (words?.length === 0) return;
    const read = words === null ? 'a quote is not closed' : readRule(words, line);
    if (typeof read === 'string') complaints.push({ line, what: read });
    else rules.push(...read);
  });
  return { rules, complaints };
}

/** A rule of the older list of networks, whoever comes from there may try; or what is wrong with the network. */
export function ruleOfNetwork(text: string): HbaRule | string {
  const read = readNetwork(text, undefined);
  if (typeof read === 'string') return read;
  return { type: 'host', databases: [], users: [], network: read.network, method: 'md5', line: 0 };
}

interface Token {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Words of a line; a comma list is one word; quotes keep blanks and take away a name's special meaning. null when a
 *  quote is not closed. */
function tokens(content: string): Token[][] | null {
  const words: Token[][] = [];
  let list: Token[] = [];
  const pattern = /\s*(?:#.*|"((?:[^"]|"")*)"(,)?|([^\s",#]+)(,)?|(,)|("))/gy;
  for (let match = pattern.exec(content); match !== null; match = pattern.exec(content)) {
    const [, quoted, commaAfterQuoted, plain, commaAfterPlain, lone, open] = match;
    if (open !== undefined) return null;
    if (quoted === undefined && plain === undefined && lone === undefined) break; // a comment
    if (quoted !== undefined) list.push({ text: quoted.replaceAll('""', '"'), isQuoted: true });
    if (plain !== undefined) list.push({ text: plain, isQuoted: false });
    if (commaAfterQuoted === undefined && commaAfterPlain === undefined && lone === undefined) {
      words.push(list);
      list = [];
    }
  }
  if (list.length > 0) words.push(list);
  return words;
}

/** The rule, or what is wrong with it. `all` as an address makes two, one for each family. */
function readRule(words: Token[][], line: number): HbaRule[] | string {
  const [typeWord, databaseWord, userWord, ...rest] = words;
  const type = TYPES.find((each) => each === typeWord?.[0]?.text);
  if (type === undefined) {
    return `"${typeWord?.[0]?.text ?? ''}" is no type of connection: local, host, hostssl or hostnossl`;
  }
  if (databaseWord === undefined || userWord === undefined)
    return 'wants type, database, user, address and method';
  const special = [...databaseWord, ...userWord].find(isSpecial);
  if (special !== undefined)
    return `"${special.text}" needs what only PostgreSQL knows: write the names themselves`;
  const common = { type, databases: namesIn(databaseWord), users: namesIn(userWord), line };
  if (type === 'local') return withMethod(rest[0], (method) => [{ ...common, network: null, method }]);
  const address = rest[0]?.[0]?.text;
  if (address === undefined) return 'wants an address before the method';
  if (address === 'all') {
    return withMethod(rest[1], (method) => EVERY_ADDRESS.map((network) => ({ ...common, network, method })));
  }
  const read = readNetwork(address, rest[1]?.[0]?.text);
  if (typeof read === 'string') return read;
  const { network, hasMask } = read;
  return withMethod(rest[hasMask ? 2 : 1], (method) => [{ ...common, network, method }]);
}

function withMethod(
  word: Token[] | undefined,
  make: (method: HbaRule['method']) => HbaRule[],
): HbaRule[] | string {
  const text = word?.[0]?.text;
  if (text === undefined) return 'wants a method: trust, md5, scram-sha-256 or reject';
  // Other methods of PostgreSQL may stand in a file that is shared with it; nobody gets in by them here.
  return make(METHODS.find((each) => each === text) ?? 'unknown');
}

/** Members of a role, names in a file, regular expressions. Read as a name, such a rule would silently match nobody. */
function isSpecial({ text, isQuoted }: Token): boolean {
  return (
    !isQuoted && (/^[+@/]/.test(text) || text === 'sameuser' || text === 'samerole' || text === 'samegroup')
  );
}

/** Empty for `all`, which quotes would make a name. */
function namesIn(word: Token[]): string[] {
  if (word.some(({ text, isQuoted }) => text === 'all' && !isQuoted)) return [];
  return word.map(({ text }) => text);
}

type Network = { readonly address: string; readonly prefixLength: number };

/** 10.0.0.0/8, ::1/128, one address alone, or an address with its mask in the next word. */
function readNetwork(
  text: string,
  next: string | undefined,
): { network: Network; hasMask: boolean } | string {
  const [address = '', prefix, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return `"${text}" is no network: 10.0.0.0/8, ::1/128 or all`;
  const bits = family === 4 ? 32 : 128;
  if (prefix !== undefined) {
    const prefixLength = /^\d+$/.test(prefix) ? Number(prefix) : -1;
    if (prefixLength < 0 || prefixLength > bits) return `"${text}": the prefix is 0 to ${bits}`;
    return { network: { address, prefixLength }, hasMask: false };
  }
  if (next === undefined || isIP(next) === 0)
    return { network: { address, prefixLength: bits }, hasMask: false };
  const prefixLength = isIPv4(next) ? prefixOfMask(next) : -1;
  if (prefixLength < 0) return `"${next}" is no network mask; write ${address}/PREFIX`;
  return { network: { address, prefixLength }, hasMask: true };
}

/** The bits of a mask such as 255.255.0.0; -1 when its ones are not all in front. */
function prefixOfMask(mask: string): number {
  const bits = mask
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : -1;
}
