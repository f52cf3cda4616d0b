/** The fenced blocks of a page of the manual, and what the word behind a block's language says of it:
 *
 *  - `sh run`: runs and succeeds. `sh fails`: runs, and its last command does not succeed.
 *  - `sh start`: runs on in the background, and serves before the next block has its turn.
 *  - `sh example`: cannot run in a test. Only the names in it are checked.
 *  - `file=NAME`, of any language: what lies in the file NAME beside.
 *  - `output`: all that the block before has printed. `log`: lines that the last started program has printed, in order.
 *
 *  A comment `<!-- run … -->` is a block as well, which only the test sees. */

export interface Block {
  readonly language: string;
  /** '' for a block that says nothing. */
  readonly task: string;
  readonly text: string;
  /** Where it begins, counted from 1. */
  readonly line: number;
}

const FENCE = /^```([\w-]*) ?(.*)\n([\s\S]*?)^```$|^<!-- (run|start)\n([\s\S]*?)^-->$/gm;

export function blocksOf(page: string): Block[] {
  return [...page.matchAll(FENCE)].map(({ 1: language, 2: task, 3: text, 4: hidden, 5: command, index }) => ({
    language: language ?? 'sh',
    task: task ?? hidden ?? '',
    text: text ?? command ?? '',
    line: page.slice(0, index).split('\n').length,
  }));
}
