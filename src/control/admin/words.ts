/** Takes what a client of the console has sent apart: into commands, and those into words. PostgreSQL manual, "Lexical
 *  Structure". */

export interface Word {
  /** Without its quotes. */
  readonly text: string;
  readonly isQuoted: boolean;
}

export interface CommandText {
  /** As it was sent, without what stands around it. */
  readonly text: string;
  readonly words: readonly Word[];
}

/** Blanks and comments, a semicolon, a quoted name or text, a sign, any other word. What is not closed ends with the
 *  text. */
const TOKEN =
  /(\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(;)|("(?:[^"]|"")*"?|'(?:[^']|'')*'?)|([=,()])|([^\s;"'=,()]+)/y;

/** The commands between semicolons, without empty ones. */
export function commandsIn(sql: string): CommandText[] {
  const commands: CommandText[] = [];
  let words: Word[] = [];
  let begin = 0;
  let end = 0;
  const finish = (): void => {
    if (words.length > 0) commands.push({ text: sql.slice(begin, end), words });
    words = [];
  };
  TOKEN.lastIndex = 0;
  for (let token = TOKEN.exec(sql); token !== null && token[0] !== ''; token = TOKEN.exec(sql)) {
    const [all, blank, semicolon, quoted] = token;
    if (blank !== undefined) continue;
    if (semicolon !== undefined) {
      finish();
      continue;
    }
    if (words.length === 0) begin = token.index;
    end = token.index + all.length;
    words.push(quoted === undefined ? { text: all, isQuoted: false } : unquoted(all));
  }
  finish();
  return commands;
}

function unquoted(text: string): Word {
  const quote = text.slice(0, 1);
  const inner = text.length > 1 && text.endsWith(quote) ? text.slice(1, -1) : text.slice(1);
  return { text: inner.replaceAll(quote + quote, quote), isQuoted: true };
}

/** The words as one text in capitals, for comparing; quoted ones as they are. */
export function inCapitals(words: readonly Word[]): string {
  return words.map(({ text, isQuoted }) => (isQuoted ? text : text.toUpperCase())).join(' ');
}
