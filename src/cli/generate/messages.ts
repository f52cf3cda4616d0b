/** What generate says beside the configuration: all on standard error. Progress is for people who watch, so it is said
 *  on a terminal only; colours likewise, unless NO_COLOR refuses them. */

// Not styleText of node:util: it goes by standard output, and when it does so depends on its version.
const COLORS = { red: '\u001b[31m', yellow: '\u001b[33m' } as const;
const DEFAULT_COLOR = '\u001b[39m';

/** Standard error, as far as it is needed. */
interface Stream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export class Messages {
  private readonly stream: Stream;
  private readonly hasColor: boolean;

  constructor(stream: Stream, environment: NodeJS.ProcessEnv) {
    this.stream = stream;
    this.hasColor = stream.isTTY === true && !environment.NO_COLOR;
  }

  progress(text: string): void {
    if (this.stream.isTTY === true) this.stream.write(`${text}\n`);
  }

  warning(text: string): void {
    this.say('yellow', 'warning', text);
  }

  error(text: string): void {
    this.say('red', 'error', text);
  }

  private say(color: 'red' | 'yellow', word: string, text: string): void {
    const shown = this.hasColor ? `${COLORS[color]}${word}${DEFAULT_COLOR}` : word;
    this.stream.write(`pg_doorman: ${shown}: ${text}\n`);
  }
}
