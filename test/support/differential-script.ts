/** What one client says, as data: scenes of steps of messages. Written at random by differential-scenes.ts, run by
 *  differential-run.ts. */

/** A frontend message and how it is listed when a script has failed. */
export interface Said {
  readonly text: string;
  readonly bytes: Buffer;
}

/** How a client that speaks to PostgreSQL itself knows that a step has been answered. */
export type Until =
  | { readonly type: 'nothing' }
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

/** Steps that only make sense together. */
export interface Scene {
  readonly steps: readonly Step[];
  /** Makes use of what a transaction keeps, so it may only be played inside one. */
  readonly needsTransaction: boolean;
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
  if (scene.needsTransaction && situation.status !== 'T') return false;
  return !scene.needsUnnamed || situation.unnamedIsSure;
}

/** The script as lines. */
export function listed(script: Script): string {
  const lines = script.flatMap(({ steps }, i) => [
    `scene ${i}`,
    ...steps.flatMap(({ said, until }) => [
      ...said.map(({ text }) => `    ${text}`),
      `    … until ${untilText(until)}`,
    ]),
  ]);
  return lines.join('\n');
}

function untilText(until: Until): string {
  return 'count' in until ? `${until.count} ${until.type}` : until.type;
}
