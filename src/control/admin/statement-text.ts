/** Statements as they may be shown: what stands in quotes may be a password or a customer's data, and is hidden.
 *  PostgreSQL manual, "Lexical Structure". */

const HIDDEN = "'***'";

const COMMENT = /--[^\n]*|\/\*(?:(?!\/\*|\*\/)[\s\S])*(?:\*\/|$)/;
const QUOTED_NAME = /"[^"]*"?/;
/** Each may have been cut off. What a backslash in the ordinary kind means is a setting's to say: that is no literal here. */
const ESCAPE_LITERAL = /[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|\\?$)/;
const LITERAL = /'(?:[^'\\]|'')*(?:'|$)/;
const DOLLAR_LITERAL = /\$(?<tag>(?:[A-Za-z_\x80-\uffff]\w*)?)\$[\s\S]*?(?:\$\k<tag>\$|$)/;
const WORD = /[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*/;

const PART = new RegExp(
  `${COMMENT.source}|${QUOTED_NAME.source}` +
    `|(?<literal>${ESCAPE_LITERAL.source}|${LITERAL.source}|${DOLLAR_LITERAL.source})` +
    `|${WORD.source}|[\\s\\S]`,
  'g',
);

/** The statement with its literals hidden. From where it cannot be told what is one, all is. */
export function withoutLiterals(statement: string): string {
  let shown = '';
  for (const { 0: part, index, groups } of statement.matchAll(PART)) {
    const isCommentInComment = part === '/' && statement.startsWith('/*', index);
    if (part === "'" || isCommentInComment) return shown + HIDDEN;
    shown += groups?.literal === undefined ? part : HIDDEN;
  }
  return shown;
}
