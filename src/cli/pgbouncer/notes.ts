/** What the converter has to tell: in the file that it writes, and on standard error. */
import type { IniEntry } from './ini-file.js';

export class Notes {
  readonly texts: string[] = [];
  /** Something must be put in before clients can log in. */
  isIncomplete = false;

  /** What became of an entry, and what to do. Its value is not repeated: it may be a secret. */
  of({ place, key }: IniEntry, what: string): void {
    this.texts.push(`${place}: ${key}: ${what}`);
  }

  /** The same, for what keeps clients out until somebody does it. */
  mustDo(entry: IniEntry, what: string): void {
    this.isIncomplete = true;
    this.of(entry, what);
  }
}
