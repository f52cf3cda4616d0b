/** Plays differential scripts: to PostgreSQL itself, which says what is right, and through pg_doorman. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { drawScene, ending, firstScene, lastScene } from './differential-scenes.js';
import {
  isPlayable,
  listed,
  type Scene,
  type Script,
  type Situation,
  type Step,
  type Until,
} from './differential-script.js';
import { errorFields, type Message } from './messages.js';
import { Random } from './random.js';
import type { WireClient } from './wire-client.js';

/** So many scripts end with what ends the connection. */
const ENDINGS = 0.2;
/** What PostgreSQL has not said by then it does not say. Milliseconds. */
const POSTGRES_PATIENCE_MS = 10_000;
/** The answer of the messages of the extended protocol ends with one of these; an error ends all. */
const ENDS_ANSWER = '12T3nCIs';
/** Fields that tell where in the source code an error was raised. */
const LINE_MAX = 200;
const SOURCE_FIELDS = ['F', 'L', 'R'];

const SILENCE = 'nothing more for a long time';

/** PostgreSQL itself has not said what was awaited. */
class MadeNoSense extends Error {
  constructor(script: Script, lines: readonly string[]) {
    super(`${listed(script)}\nPostgreSQL says no more than\n${lines.join('\n')}`);
  }
}

/** What came back, a line per message, for each step of each scene. */
type Transcript = readonly (readonly (readonly string[])[])[];

export interface Played {
  readonly script: Script;
  readonly transcript: Transcript;
}

export interface Difference {
  readonly scene: number;
  readonly step: number;
  readonly expected: readonly string[];
  readonly got: readonly string[];
}

/** Draws a script while PostgreSQL plays it. */
export async function improvise(
  client: WireClient,
  random: Random,
  table: string,
  scenes: number,
): Promise<Played> {
  const stage = new Stage(client);
  await stage.play(firstScene(random, table));
  for (let i = 0; i < scenes; i++) {
    const scene = drawScene(random, table, stage.situation);
    if (isPlayable(scene, stage.situation)) await stage.play(scene);
  }
  await stage.play(lastScene(random, table));
  if (random.chance(ENDINGS)) await stage.play(ending(random, table, stage.situation));
  return stage.played;
}

/** Plays a script that was made from another by leaving out scenes; null if it does not make sense any more. */
export async function replay(client: WireClient, script: Script): Promise<Played | null> {
  const stage = new Stage(client);
  for (const scene of script) {
    if (!isPlayable(scene, stage.situation)) return null;
    try {
      await stage.play(scene);
    } catch (error) {
      if (error instanceof MadeNoSense) return null;
      throw error;
    }
  }
  return stage.played;
}

/** Plays a script through the pooler, up to the first difference. An answer that takes longer counts as lost. */
export async function compare(
  client: WireClient,
  { script, transcript }: Played,
  patienceMs: number,
): Promise<Difference | null> {
  const ear = new Ear(client, patienceMs);
  for (const [i, { steps }] of script.entries()) {
    for (const [j, step] of steps.entries()) {
      const expected = transcript[i]?.[j] ?? [];
      const [got] = await Promise.all([ear.hear(expected.length), speak(client, step)]);
      if (expected.some((line, k) => !isSame(line, got[k]))) return { scene: i, step: j, expected, got };
    }
  }
  return null;
}

/** One who plays to PostgreSQL and remembers. */
class Stage {
  private readonly client: WireClient;
  private readonly scenes: Scene[] = [];
  private readonly transcript: string[][][] = [];
  private readonly ear: Ear;
  situation: Situation = { status: 'I', unnamedIsSure: false, serial: 0 };

  constructor(client: WireClient) {
    this.client = client;
    this.ear = new Ear(client, POSTGRES_PATIENCE_MS);
  }

  async play(scene: Scene): Promise<void> {
    const answers: string[][] = [];
    for (const step of scene.steps) {
      const [answer] = await Promise.all([
        this.ear.hearUntil(step.until, answers.flat()),
        speak(this.client, step),
      ]);
      answers.push(answer);
    }
    this.scenes.push(scene);
    this.transcript.push(answers);
    const lines = answers.flat();
    if (lines.includes(SILENCE)) throw new MadeNoSense(this.scenes, lines);
    const status = lines.findLast((line) => line.startsWith('Z '))?.slice(2) ?? this.situation.status;
    const isParsed = scene.parsesUnnamed && !lines.some((line) => line.startsWith('E '));
    const unnamedIsSure = isParsed || (this.situation.unnamedIsSure && !scene.hasQuery);
    this.situation = { status, unnamedIsSure, serial: this.situation.serial + 1 };
  }

  get played(): Played {
    return { script: this.scenes, transcript: this.transcript };
  }
}

/** Hears messages as lines, without those that come when they like. */
class Ear {
  private readonly client: WireClient;
  private readonly patienceMs: number;

  constructor(client: WireClient, patienceMs: number) {
    this.client = client;
    this.patienceMs = patienceMs;
  }

  async hear(count: number): Promise<string[]> {
    return this.collect((lines) => lines.length >= count);
  }

  async hearUntil(until: Until, before: readonly string[]): Promise<string[]> {
    switch (until.type) {
      case 'cycles':
        return this.collect((lines) => lines.filter(isReady).length >= until.count);
      case 'answers':
        if (before.some((line) => line.startsWith('E '))) return []; // it skips to the Sync
        return this.collect(
          (lines) =>
            lines.filter((line) => ENDS_ANSWER.includes(line.charAt(0))).length >= until.count ||
            /^[EG]/.test(lines.at(-1) ?? ''),
        );
      case 'copyIn':
        return this.collect((lines) => /^[GZ]/.test(lines.at(-1) ?? ''));
      case 'copyEnd':
        if (!before.at(-1)?.startsWith('G')) return [];
        return this.collect((lines) => isReady(lines.at(-1)));
      case 'emptyQuery':
        return this.collect(
          (lines) => isReady(lines.at(-1)) && lines.at(-2) === 'I ' && isReady(lines.at(-3)),
        );
      case 'closed':
        return this.collect(() => false);
    }
  }

  /** Lines until they suffice, or the connection has ended, or patience has: then it is ended. */
  private async collect(suffices: (lines: readonly string[]) => boolean): Promise<string[]> {
    const lines: string[] = [];
    const timer = setTimeout(() => {
      lines.push(SILENCE);
      this.client.close();
    }, this.patienceMs);
    try {
      while (!suffices(lines)) {
        const message = await this.client.next();
        if (message === null) {
          lines.push('the connection has ended');
          break;
        }
        if (message.tag !== 'S') lines.push(lineOf(message));
      }
    } finally {
      clearTimeout(timer);
    }
    return lines;
  }
}

function isReady(line: string | undefined): boolean {
  return line?.startsWith('Z ') === true;
}

/** A message without what may differ. */
function lineOf(message: Message): string {
  const { tag, body } = message;
  if (tag !== 'E' && tag !== 'N') return `${tag} ${shortened(body.toString('latin1'))}`;
  const fields = errorFields(message);
  for (const field of SOURCE_FIELDS) delete fields[field];
  if (fields.C === '26000') return 'E 26000';
  const text = Object.entries(fields).map(([letter, value]) => `${letter}=${value}`);
  return `${tag} ${shortened(text.join(' ').replace(/prepared statement "[^"]*"/g, 'prepared statement "…"'))}`;
}

function shortened(text: string): string {
  if (text.length <= LINE_MAX) return text;
  const digest = createHash('md5').update(text).digest('hex');
  return `${text.slice(0, LINE_MAX)}… (${text.length}, ${digest})`;
}

/** In a failed transaction a server that does not have a statement cannot say what is wrong with a Bind. */
function isSame(expected: string, got: string | undefined): boolean {
  return expected === got || (expected.includes('C=08P01') && got?.includes('C=25P02') === true);
}

/** Writes a step, cut into pieces. */
async function speak(client: WireClient, { said, cutSeed }: Step): Promise<void> {
  const random = new Random(cutSeed);
  const bytes = Buffer.concat(said.map((each) => each.bytes));
  const pieceMax = random.pick([bytes.length, bytes.length, 20, 1000, 10_000]);
  let pieces = 0;
  for (let at = 0; at < bytes.length; ) {
    // Long steps are not cut all the way: it would take too long.
    const end = ++pieces > 100 ? bytes.length : at + random.between(1, Math.max(1, pieceMax));
    client.socket.write(bytes.subarray(at, end));
    at = end;
    await setImmediate();
  }
}
