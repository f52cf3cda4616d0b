/** Collects what one scene of a differential script says, and what the scene needs and leaves. */
import * as say from './differential-messages.js';
import {
  IS_ANSWERED,
  type Said,
  type Scene,
  type Situation,
  type Step,
  type Until,
} from './differential-script.js';
import { parameter } from './differential-texts.js';
import type { Random } from './random.js';

/** The names of prepared statements: few, so that they are met again. */
export const NAMES = ['s1', 's2', 's3'];
const INT4_OID = 23;
const TEXT_OID = 25;

export class SceneWriter {
  readonly random: Random;
  readonly table: string;
  readonly situation: Situation;
  needs: Scene['needs'] = 'nothing';
  private needsUnnamed = false;
  private hasQuery = false;
  private parsesUnnamed = false;
  /** The unnamed statement can be used: parsed in this batch, or earlier without a Query since. */
  private isParsedInBatch = false;
  private cycles = 0;
  hasEndedCycle = false;
  private said: Said[] = [];
  private readonly steps: Step[] = [];

  constructor(random: Random, table: string, situation: Situation) {
    this.random = random;
    this.table = table;
    this.situation = situation;
  }

  say(...said: Said[]): void {
    this.said.push(...said);
  }

  query(sql: string): void {
    this.say(say.query(sql));
    this.cycles++;
    this.hasEndedCycle = true;
    this.hasQuery = true;
    this.parsesUnnamed = false;
    this.isParsedInBatch = false;
    // Whether a transaction fails that has just begun the pooler knows only when it has seen it begin.
    if (/begin|start|chain/i.test(sql)) this.step();
  }

  sync(): void {
    this.say(say.sync());
    this.cycles++;
    this.hasEndedCycle = true;
    this.isParsedInBatch = false;
  }

  functionCall(oid: number, values: string[]): void {
    this.say(say.functionCall(oid, values));
    this.cycles++;
    this.hasEndedCycle = true;
  }

  /** A name that is free, as PostgreSQL refuses to parse one that is taken and the pooler does not. */
  parse(name: string, sql: string): void {
    const { random } = this;
    if (name !== '') this.say(say.closeStatement(name));
    else {
      this.parsesUnnamed = true;
      this.isParsedInBatch = true;
    }
    const hasType = /\$1/.test(sql) ? random.chance(0.3) : random.chance(0.03);
    this.say(say.parse(name, sql, hasType ? [random.pick([INT4_OID, TEXT_OID, 0])] : []));
  }

  /** A statement that may be bound: named, or the unnamed one where it is sure what it is. */
  statement(): string {
    const { random, situation } = this;
    const name = random.pick(['', '', ...NAMES]);
    if (name !== '' || this.isParsedInBatch) return name;
    if (this.hasQuery || !situation.unnamedIsSure) return random.pick(NAMES);
    this.needsUnnamed = true;
    return '';
  }

  bind(portal: string, statement: string, values = this.parameters()): void {
    const { random } = this;
    this.say(say.bind(portal, statement, values, random.chance(0.15) ? [random.below(2)] : []));
  }

  private parameters(): (string | null)[] {
    const { random } = this;
    return Array.from({ length: random.pick([0, 0, 1, 1, 1, 2]) }, () => parameter(random));
  }

  /** All until now is answered before more is said. */
  step(until: Until = { type: 'cycles', count: this.cycles }): void {
    if (this.said.length === 0) return;
    this.steps.push({ said: this.said, until, cutSeed: this.random.uint32() });
    this.said = [];
    this.cycles = 0;
  }

  /** Awaits the answers to what was said since the last Sync or step. */
  flushed(): void {
    const count = this.said.filter(({ text }) => IS_ANSWERED.test(text)).length;
    this.say(say.flush());
    this.step({ type: 'answers', count });
  }

  done(): Scene {
    this.step();
    const { steps, needs, needsUnnamed, hasQuery, parsesUnnamed } = this;
    return { steps, needs, needsUnnamed, hasQuery, parsesUnnamed };
  }
}
