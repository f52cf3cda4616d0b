/** Takes SQL text apart into tokens. PostgreSQL manual, "Lexical Structure". */
import { SqlError } from './model-error.js';

export interface Token {
  readonly type: 'word' | 'string' | 'number' | 'parameter' | 'symbol' | 'end';
  /** Of a word in lower case, of a string without its quotes. */
  readonly text: string;
}

export const END: Token = { type: 'end', text: '' };

const BLANKS = /(?:\s+|--[^\n]*)+/y;
const TOKENS: readonly (readonly [Token['type'], RegExp])[] = [
  ['string', /[eE]'((?:[^'\\]|\\.|'')*)'/y],
  ['word', /[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*/y],
  ['string', /'((?:[^']|'')*)'/y],
  ['string', /\$(\w*)\$([\s\S]*?)\$\1\$/y],
  ['word', /"((?:[^"]|"")+)"/y],
  ['number', /\d+(?:\.\d*)?|\.\d+/y],
  ['parameter', /\$(\d+)/y],
  ['symbol', /::|[-+*/%(),.;=<>]/y],
];

export function tokensOf(sql: string): Token[] {
  const tokens: Token[] = [];
  for (let at = behindBlanks(sql, 0); at < sql.length; at = behindBlanks(sql, at)) {
    const { token, end } = tokenAt(sql, at);
    tokens.push(token);
    at = end;
  }
  return tokens;
}

function tokenAt(sql: string, at: number): { token: Token; end: number } {
  for (const [type, pattern] of TOKENS) {
    pattern.lastIndex = at;
    const match = pattern.exec(sql);
    if (match !== null) return { token: { type, text: textOf(type, match) }, end: pattern.lastIndex };
  }
  const rest = sql.slice(at);
  if (/^['"$]/.test(rest)) throw new SqlError('42601', `unterminated quoted string at or near "${rest}"`);
  throw new SqlError('42601', `syntax error at or near "${rest.charAt(0)}"`);
}

function textOf(type: Token['type'], match: RegExpExecArray): string {
  const [whole, inner = whole, dollarQuoted] = match;
  if (dollarQuoted !== undefined) return dollarQuoted;
  if (/^e'/i.test(whole)) return inner.replace(/\\(.)/g, '$1').replaceAll("''", "'");
  if (whole.startsWith("'")) return inner.replaceAll("''", "'");
  if (whole.startsWith('"')) return inner.replaceAll('""', '"');
  return type === 'word' ? whole.toLowerCase() : inner;
}

/** Passes over blanks and comments; those with stars nest. */
function behindBlanks(sql: string, from: number): number {
  for (let at = from; ; ) {
    BLANKS.lastIndex = at;
    if (BLANKS.test(sql)) at = BLANKS.lastIndex;
    if (!sql.startsWith('/*', at)) return at;
    at = behindComment(sql, at);
  }
}

function behindComment(sql: string, from: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  for (let depth = 0; ; ) {
    const match = mark.exec(sql);
    if (match === null)
      throw new SqlError('42601', `unterminated /* comment at or near "${sql.slice(from)}"`);
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
}
