/** What has failed is played again, each time to a new pg_doorman, in ever smaller parts, until the shortest conversation
 *  is found that breaks it. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FuzzFailure, type Story } from './failure.js';
import type { Case, Stage } from './stage.js';

/** How long a shorter conversation is looked for. Milliseconds. */
const SHRINKING_MS = 120_000;
/** No client says more in one case. */
const MESSAGES_MAX = 4096;
/** Cases whose conversations fit on a screen. */
const FEW = 3;
/** Cases that are played together at first. */
const GROUP = 20;
/** What depends on who comes first does not fail every time. */
const ATTEMPTS = 3;

interface FailedBatch {
  readonly error: unknown;
  readonly cases: readonly Case[];
  /** What was said in them. */
  readonly stories: ReadonlyMap<Case, Story>;
  readonly seed: number;
  readonly setAgain: () => Promise<Stage>;
  readonly report: (line: string) => void;
}

/** Returns the failure with all that could be found out about it. */
export async function shrunk({
  error,
  cases,
  stories,
  seed,
  setAgain,
  report,
}: FailedBatch): Promise<FuzzFailure> {
  const deadline = performance.now() + SHRINKING_MS;
  let [what, smallest, said] = [messageOf(error), cases, stories];
  report(`seed ${seed}: ${what}\n${toldIn(what, said)}\nlooking for a shorter conversation …`);
  const failedWith = (again: unknown, part: readonly Case[], stage: Stage): true => {
    [what, smallest, said] = [messageOf(again), part, stage.stories];
    return true;
  };
  /** Plays so many at a time to the same pg_doorman, up to those that fail: most failures need no others. */
  const goThrough = async (part: readonly Case[], length: number): Promise<boolean> => {
    const stage = await setAgain();
    try {
      for (let at = 0; at < part.length && performance.now() < deadline; at += length) {
        const group = part.slice(at, at + length);
        try {
          await stage.play(group);
        } catch (again) {
          return failedWith(again, group, stage);
        }
      }
      return false;
    } finally {
      stage.destroy();
    }
  };
  const fails = async (part: readonly Case[], messagesMax?: number): Promise<boolean> => {
    for (let attempt = 0; attempt < ATTEMPTS && performance.now() < deadline; attempt++) {
      const stage = await setAgain();
      try {
        await stage.play(part, messagesMax);
      } catch (again) {
        return failedWith(again, part, stage);
      } finally {
        stage.destroy();
      }
    }
    return false;
  };
  if (await goThrough(cases, GROUP)) await goThrough(smallest, 1);
  for (let length = smallest.length >> 1; length >= 1; length >>= 1) {
    for (let at = 0; at < smallest.length && smallest.length > 1; ) {
      if (!(await fails(smallest.toSpliced(at, length)))) at += length;
    }
  }
  if (smallest.length === 1) {
    let [low, high] = [0, 1];
    while (high < MESSAGES_MAX && !(await fails(smallest, high))) [low, high] = [high, high * 2];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await fails(smallest, middle)) high = middle;
      else low = middle;
    }
  }
  const file = join(tmpdir(), `fuzz-${seed}.txt`);
  writeFileSync(file, listed([...said]), { mode: 0o600 });
  return new FuzzFailure(
    `seed ${seed}: ${what}\n${toldIn(what, said)}\n${smallest.length} of ${cases.length} cases of the batch, all of them in ${file}`,
  );
}

/** As `--cases` takes it. */
function nameOf({ side, seed }: Case): string {
  return `${side}:${seed}`;
}

/** The conversations that the failure names; all of them when they are few. */
function toldIn(what: string, said: ReadonlyMap<Case, Story>): string {
  const isNamed = (name: string): boolean => what.includes(`"${name}"`);
  return listed([...said].filter(([, { names }]) => said.size <= FEW || names.some(isNamed)));
}

function listed(said: readonly (readonly [Case, Story])[]): string {
  return said.map(([played, story]) => `${nameOf(played)}\n${story.text}`).join('\n');
}

function messageOf(error: unknown): string {
  return error instanceof FuzzFailure
    ? error.message
    : error instanceof Error
      ? `${error.stack}`
      : String(error);
}
