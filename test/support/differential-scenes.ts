/** Draws the scenes of differential scripts. */
import * as say from './differential-messages.js';
import type { Said, Scene, Situation, Step, Until } from './differential-script.js';
import {
  copyLine,
  dressed,
  parameter,
  plainText,
  preparedText,
  transactionText,
} from './differential-texts.js';
import type { Random } from './random.js';

const NAMES = ['s1', 's2', 's3'];
const PORTALS = ['', '', 'p1', 'p2'];
const INT4_OID = 23;
const TEXT_OID = 25;
/** int4pl, int4div, textcat and none. */
const FUNCTIONS = [177, 154, 1258, 1];
const ANSWERED = /^(Parse|Bind|Describe|Execute|Close)/;

const SCENES: readonly ((writer: SceneWriter) => void)[] = [
  simpleQueries,
  simpleQueries,
  transactionControl,
  transactionControl,
  batches,
  batches,
  batches,
  batches,
  flushedBatch,
  flushedBatch,
  pipeline,
  pipeline,
  copyInSimple,
  copyInExtended,
  functionCalls,
  everythingForgotten,
  sqlStatements,
  cursor,
  strayMessages,
];

/** The scene that every script begins with, so that it finds the same wherever it runs. */
export function firstScene(random: Random, table: string): Scene {
  const writer = new SceneWriter(random, table, { status: 'I', unnamedIsSure: false, serial: 0 });
  writer.query(`truncate ${table}`);
  return writer.done();
}

/** The scene that every script ends with: shows what it has left. */
export function lastScene(random: Random, table: string): Scene {
  const writer = new SceneWriter(random, table, { status: 'I', unnamedIsSure: false, serial: 0 });
  writer.query('rollback');
  writer.query(`select count(*), sum(i), md5(string_agg(t, '' order by i, t)) from ${table}`);
  return writer.done();
}

export function drawScene(random: Random, table: string, situation: Situation): Scene {
  const writer = new SceneWriter(random, table, situation);
  random.pick(SCENES)(writer);
  return writer.done();
}

/** Collects what is said, and what a scene needs and leaves. */
class SceneWriter {
  readonly random: Random;
  readonly table: string;
  readonly situation: Situation;
  needsTransaction = false;
  private needsUnnamed = false;
  private hasQuery = false;
  private parsesUnnamed = false;
  /** The unnamed statement can be used: parsed in this batch, or earlier without a Query since. */
  private isParsedInBatch = false;
  private cycles = 0;
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
    this.hasQuery = true;
    this.parsesUnnamed = false;
    this.isParsedInBatch = false;
  }

  sync(): void {
    this.say(say.sync());
    this.cycles++;
    this.isParsedInBatch = false;
  }

  functionCall(oid: number, values: string[]): void {
    this.say(say.functionCall(oid, values));
    this.cycles++;
  }

  /** A name that is free, as PostgreSQL refuses to parse one that is taken and the pooler does not. */
  parse(name: string, sql: string): void {
    const { random } = this;
    if (name !== '') this.say(say.closeStatement(name));
    else {
      this.parsesUnnamed = true;
      this.isParsedInBatch = true;
    }
    this.say(say.parse(name, sql, random.chance(0.2) ? [random.pick([INT4_OID, TEXT_OID, 0])] : []));
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

  bind(portal: string, statement: string): void {
    const { random } = this;
    const values = Array.from({ length: random.pick([0, 0, 1, 1, 1, 2]) }, () => parameter(random));
    this.say(say.bind(portal, statement, values, random.chance(0.15) ? [random.below(2)] : []));
  }

  step(until: Until = { type: 'cycles', count: this.cycles }): void {
    this.steps.push({ said: this.said, until, cutSeed: this.random.uint32() });
    this.said = [];
    this.cycles = 0;
  }

  /** Awaits the answers to what was said since the last Sync or step. */
  flushed(): void {
    const count = this.said.filter(({ text }) => ANSWERED.test(text)).length;
    this.say(say.flush());
    this.step({ type: 'answers', count });
  }

  done(): Scene {
    if (this.said.length > 0) this.step();
    const { steps, needsTransaction, needsUnnamed, hasQuery, parsesUnnamed } = this;
    return { steps, needsTransaction, needsUnnamed, hasQuery, parsesUnnamed };
  }
}

function simpleQueries(writer: SceneWriter): void {
  const { random, table } = writer;
  for (let i = random.between(1, 3); i > 0; i--) {
    const count = random.pick([0, 1, 1, 1, 1, 2, 3]);
    const texts = Array.from({ length: count }, () =>
      random.chance(0.2) ? transactionText(random) : plainText(random, table),
    );
    writer.query(count === 0 ? random.pick(['', ';', ' ', '-- nothing']) : dressed(random, texts.join('; ')));
    if (random.chance(0.7)) writer.step();
  }
}

function transactionControl(writer: SceneWriter): void {
  const { random } = writer;
  for (let i = random.between(1, 3); i > 0; i--) {
    writer.query(dressed(random, transactionText(random)));
    if (random.chance(0.8)) writer.step();
  }
}

function operation(writer: SceneWriter): void {
  const { random, table } = writer;
  const portal = random.pick(PORTALS);
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return writer.parse(random.pick(['', ...NAMES]), preparedText(random, table));
    case 3:
    case 4:
      writer.bind(portal, writer.statement());
      if (random.chance(0.3)) writer.say(say.describePortal(portal));
      return writer.say(say.execute(portal, random.pick([0, 0, 0, 1, 3])));
    case 5:
      return writer.bind(portal, writer.statement());
    case 6:
      return writer.say(say.describeStatement(writer.statement()));
    case 7:
      return writer.say(say.describePortal(portal));
    case 8:
      return writer.say(say.execute(portal, random.pick([0, 1, 3])));
    case 9:
      return writer.say(say.closeStatement(random.pick(NAMES)));
    case 10:
      return writer.say(say.closePortal(portal));
    default: {
      // What drivers do most.
      const name = random.pick(['', ...NAMES]);
      writer.parse(name, preparedText(random, table));
      if (random.chance(0.5)) writer.say(say.describeStatement(name));
      writer.bind('', name);
      if (random.chance(0.3)) writer.say(say.describePortal(''));
      return writer.say(say.execute('', 0));
    }
  }
}

function batch(writer: SceneWriter): void {
  const { random } = writer;
  for (let i = random.pick([0, 1, 2, 3, 4, 8]); i > 0; i--) {
    operation(writer);
    if (random.chance(0.05)) writer.say(say.flush());
  }
  writer.sync();
}

function batches(writer: SceneWriter): void {
  for (let i = writer.random.between(1, 4); i > 0; i--) batch(writer);
}

function flushedBatch(writer: SceneWriter): void {
  const { random } = writer;
  for (let i = random.between(1, 3); i > 0; i--) {
    for (let j = random.between(1, 3); j > 0; j--) operation(writer);
    writer.flushed();
  }
  if (random.chance(0.3)) operation(writer);
  writer.sync();
}

/** All kinds of messages without waiting for an answer. */
function pipeline(writer: SceneWriter): void {
  const { random, table } = writer;
  for (let i = random.between(2, 8); i > 0; i--) {
    switch (random.below(5)) {
      case 0:
        writer.query(dressed(random, plainText(random, table)));
        break;
      case 1:
        writer.query(dressed(random, transactionText(random)));
        break;
      case 2:
        writer.functionCall(random.pick(FUNCTIONS), ['6', random.pick(['0', '3'])]);
        break;
      default:
        batch(writer);
    }
  }
}

function copyLines(writer: SceneWriter): void {
  const { random } = writer;
  const lines = Array.from({ length: random.below(12) }, () => copyLine(random)).join('');
  // CopyData need not end where a line does.
  for (let at = 0; at < lines.length; ) {
    const end = at + random.pick([1, 100, 8192, 65_536, lines.length]);
    writer.say(say.copyData(lines.slice(at, end)));
    at = end;
  }
}

function copyEnd(writer: SceneWriter): void {
  writer.say(writer.random.chance(0.8) ? say.copyDone() : say.copyFail('no more'));
}

function copyInSimple(writer: SceneWriter): void {
  const { random, table } = writer;
  const text = random.pick([`copy ${table} from stdin`, `select 1; copy ${table} from stdin; select 2`]);
  writer.query(text);
  const isPatient = random.chance(0.7);
  if (isPatient) writer.step({ type: 'copyIn' });
  copyLines(writer);
  if (random.chance(0.1)) writer.say(random.chance(0.5) ? say.sync() : say.flush()); // ignored there
  copyEnd(writer);
  if (isPatient) writer.step({ type: 'copyEnd' });
  else endsSomewhere(writer);
}

/** For steps whose number of cycles depends on where an error comes. */
function endsSomewhere(writer: SceneWriter): void {
  writer.sync();
  writer.query('');
  writer.step({ type: 'emptyQuery' });
}

function copyInExtended(writer: SceneWriter): void {
  const { random, table } = writer;
  const name = random.pick(['', ...NAMES]);
  writer.parse(name, `copy ${table} from stdin`);
  writer.say(say.bind('', name, []), say.execute('', 0));
  const isPatient = random.chance(0.5);
  if (isPatient) writer.flushed();
  else if (random.chance(0.4)) writer.say(say.sync());
  copyLines(writer);
  if (random.chance(0.1)) writer.say(say.flush());
  copyEnd(writer);
  if (random.chance(0.3)) {
    writer.parse('', 'select 1');
    writer.say(say.bind('', '', []), say.execute('', 0));
  }
  endsSomewhere(writer);
}

function functionCalls(writer: SceneWriter): void {
  const { random } = writer;
  for (let i = random.between(1, 2); i > 0; i--) {
    writer.functionCall(random.pick(FUNCTIONS), ['6', random.pick(['0', '3'])]);
  }
}

/** Names that PostgreSQL then does not know any more are still known to the pooler: they are closed at once. */
function everythingForgotten(writer: SceneWriter): void {
  const { random } = writer;
  writer.query(dressed(random, random.pick(['discard all', 'deallocate all', 'deallocate all'])));
  if (random.chance(0.5)) writer.step();
  for (const name of NAMES) writer.say(say.closeStatement(name));
  writer.sync();
}

/** Statements of SQL's PREPARE, and DEALLOCATE of those of the protocol. */
function sqlStatements(writer: SceneWriter): void {
  const { random, situation } = writer;
  if (random.chance(0.5)) {
    const name = random.pick(NAMES);
    writer.parse(name, 'select 1');
    writer.sync();
    if (random.chance(0.7)) writer.step();
    // In a failed transaction the Parse did nothing, and so does the DEALLOCATE.
    writer.query(dressed(random, `deallocate ${random.pick(['', '', 'prepare '])}${name}`));
    if (random.chance(0.7)) writer.step();
    writer.say(say.closeStatement(name));
    return writer.sync();
  }
  writer.needsTransaction = true;
  const name = `q${situation.serial}`;
  writer.query(`prepare ${name} as select $1::int + 1`);
  if (random.chance(0.5)) writer.step();
  if (random.chance(0.6)) writer.query(`execute ${name}(${random.below(3)})`);
  if (random.chance(0.4)) {
    writer.bind('', name);
    writer.say(say.execute('', 0));
    writer.sync();
  }
  if (random.chance(0.4)) writer.query(`deallocate ${name}`);
}

function cursor(writer: SceneWriter): void {
  const { random, situation } = writer;
  writer.needsTransaction = true;
  const name = `c${situation.serial}`;
  writer.query(`declare ${name} cursor for select i, repeat('f', i * 100) from generate_series(1, 40) i`);
  for (let i = random.between(0, 3); i > 0; i--)
    writer.query(`fetch ${random.pick(['1', '7', 'all'])} ${name}`);
  if (random.chance(0.5)) writer.say(say.describePortal(name), say.execute(name, 3));
  writer.sync();
}

/** What PostgreSQL takes without a need. */
function strayMessages(writer: SceneWriter): void {
  const { random } = writer;
  for (let i = random.between(1, 3); i > 0; i--) {
    writer.say(random.pick([say.flush(), say.copyDone(), say.copyFail('stray'), say.copyData('stray')]));
  }
  writer.sync();
}
