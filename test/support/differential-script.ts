/** What one client says, as data: scenes of steps of messages. Written at random by differential-scenes.ts, run by
 *  differential-run.ts. */

/** A frontend message and how it is listed when a script has failed. */
export interface Said {
  readonly text: string;
  readonly bytes: Buffer;
}

/** How a client that speaks to PostgreSQL itself knows that a step has been answered. */
export type Until =
  /** So many ReadyForQuery. */
  | { readonly type: 'cycles'; readonly count: number }
  /** So many answers after a Flush; an error or CopyInResponse ends them early. */
  | { readonly type: 'answers'; readonly count: number }
  /** CopyInResponse; or ReadyForQuery, because there was an error. */
  | { readonly type: 'copyIn' }
  /** ReadyForQuery if the CopyInResponse came that was awaited before. */
  | { readonly type: 'copyEnd' }
  /** The answer to an empty query that stands at the end of the step, behind a ReadyForQuery. */
  | { readonly type: 'emptyQuery' }
  /** The end of the connection. */
  | { readonly type: 'closed' };

export interface Step {
  readonly said: readonly Said[];
  readonly until: Until;
  /** Where the bytes are cut. */
  readonly cutSeed: number;
}

/** Messages that ReadyForQuery follows. */
const ENDS_CYCLE = /^(Query|Sync|FunctionCall)/;
/** Messages that are answered when a Flush follows. */
export const IS_ANSWERED = /^(Parse|Bind|Describe|Execute|Close)/;

/** Steps that only make sense together. */
export interface Scene {
  readonly steps: readonly Step[];
  /** Makes use of what a transaction keeps, so it is only played inside one; or of statements that a server may not
   *  have yet, which PostgreSQL refuses to prepare in a failed transaction. */
  readonly needs: 'nothing' | 'transaction' | 'noFailure';
  /** Uses the unnamed statement of an earlier scene. PostgreSQL forgets it with each Query and the pooler does not, so
   *  there must have been none in between. */
  readonly needsUnnamed: boolean;
  readonly hasQuery: boolean;
  /** Parses the unnamed statement, behind its last Query. */
  readonly parsesUnnamed: boolean;
}

export type Script = readonly Scene[];

/** What decides which scenes may follow. */
export interface Situation {
  readonly status: string;
  /** Whether PostgreSQL and the pooler must agree about the unnamed statement. */
  readonly unnamedIsSure: boolean;
  /** Numbers the names that are used once. */
  readonly serial: number;
}

export function isPlayable(scene: Scene, situation: Situation): boolean {
  if (scene.needs === 'transaction' && situation.status !== 'T') return false;
  if (scene.needs === 'noFailure' && situation.status === 'E') return false;
  return !scene.needsUnnamed || situation.unnamedIsSure;
}

/** The script as lines. */
export function listed(script: Script): string {
  const lines = script.flatMap(({ steps }, i) => [
    `scene ${i}`,
    ...steps
      .filter(({ said }) => said.length > 0)
      .flatMap(({ said, until }) => [
        ...said.map(({ text }) => `    ${text}`),
        `    … until ${untilText(until)}`,
      ]),
  ]);
  return lines.join('\n');
}

function untilText(until: Until): string {
  return 'count' in until ? `${until.count} ${until.type}` : until.type;
}

export function messageCount(script: Script): number {
  return script.flatMap(({ steps }) => steps.flatMap(({ said }) => said)).length;
}

/** The script without its n-th message; null when the rest would not be the same to PostgreSQL and the pooler. */
export function withoutMessage(script: Script, n: number): Script | null {
  let at = n;
  for (const [i, scene] of script.entries()) {
    for (const [j, step] of scene.steps.entries()) {
      if (at < step.said.length) {
        const shorter = stepWithout(step, at);
        return shorter && script.with(i, { ...scene, steps: scene.steps.with(j, shorter) });
      }
      at -= step.said.length;
    }
  }
  return null;
}

function stepWithout(step: Step, at: number): Step | null {
  const { said, until } = step;
  const text = said[at]?.text ?? '';
  // A name is closed before it is parsed, and what has no name is made before it is used.
  if (/^Close S/.test(text) && said[at + 1]?.text.startsWith('Parse')) return null;
  if (/^(Parse|Bind) {2}/.test(text)) return null;
  const shorter = { ...step, said: said.toSpliced(at, 1) };
  if (until.type === 'cycles' && ENDS_CYCLE.test(text))
    return { ...shorter, until: { ...until, count: until.count - 1 } };
  if (until.type === 'answers' && IS_ANSWERED.test(text))
    return { ...shorter, until: { ...until, count: until.count - 1 } };
  return until.type === 'cycles' || until.type === 'answers' ? shorter : null;
}
