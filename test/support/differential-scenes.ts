/** Draws the scenes of differential scripts. */
import { copyInExtended, copyInSimple } from './differential-copy-scenes.js';
import * as say from './differential-messages.js';
import { NAMES, SceneWriter } from './differential-scene-writer.js';
import type { Scene, Situation } from './differential-script.js';
import { dressed, plainText, preparedText, transactionText } from './differential-texts.js';
import type { Random } from './random.js';

/** What the unnamed portal is in a failed transaction is up to PostgreSQL's memory: it is bound before it is used. */
const NAMED_PORTALS = ['p1', 'p2'];
const PORTALS = ['', '', ...NAMED_PORTALS];
/** int4pl, int4div, textcat and none. */
const FUNCTIONS = [177, 154, 1258, 1];

const SCENES: readonly ((writer: SceneWriter) => void)[] = [
  simpleQueries,
  simpleQueries,
  transactionControl,
  transactionControl,
  transactionBatch,
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

/** The scene that ends the connection, by a crime or with Terminate. */
export function ending(random: Random, table: string, situation: Situation): Scene {
  const writer = new SceneWriter(random, table, situation);
  if (random.chance(0.5)) {
    writer.needs = 'noFailure';
    writer.query(`copy ${table} from stdin`);
    writer.step({ type: 'copyIn' });
    writer.say(say.copyData('1\tone\n'), say.query('select 1'));
  } else {
    batch(writer);
    if (random.chance(0.5)) writer.step();
    writer.say(say.terminate());
  }
  writer.step({ type: 'closed' });
  return writer.done();
}

export function drawScene(random: Random, table: string, situation: Situation): Scene {
  const writer = new SceneWriter(random, table, situation);
  random.pick(SCENES)(writer);
  return writer.done();
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

/** Transaction control in the extended protocol. */
function transactionBatch(writer: SceneWriter): void {
  const name = writer.random.pick(['', ...NAMES]);
  writer.parse(name, transactionText(writer.random));
  writer.bind('', name);
  writer.say(say.execute('', 0), say.closeStatement(name));
  writer.sync();
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
      return describeStatement(writer);
    case 7:
      return writer.say(say.describePortal(random.pick(NAMED_PORTALS)));
    case 8:
      return writer.say(say.execute(random.pick(NAMED_PORTALS), random.pick([0, 1, 3])));
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

/** Only in the first batch: whether the transaction has failed later is not known. */
function describeStatement(writer: SceneWriter): void {
  if (writer.hasEndedCycle || writer.needs === 'transaction') return;
  writer.needs = 'noFailure';
  writer.say(say.describeStatement(writer.statement()));
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

function functionCalls(writer: SceneWriter): void {
  const { random } = writer;
  for (let i = random.between(1, 2); i > 0; i--) {
    writer.functionCall(random.pick(FUNCTIONS), ['6', random.pick(['0', '3'])]);
  }
}

/** In a text that the pooler knows, where a batch follows without waiting; else in any. */
function everythingForgotten(writer: SceneWriter): void {
  const { random } = writer;
  const text = random.pick(['discard all', 'DEALLOCATE ALL;', 'Deallocate  Prepare all']);
  if (random.chance(0.5)) writer.query(text);
  else {
    writer.query(dressed(random, text));
    writer.step();
  }
  batch(writer);
}

/** Statements of SQL's PREPARE, and DEALLOCATE of those of the protocol. */
function sqlStatements(writer: SceneWriter): void {
  const { random, situation } = writer;
  if (random.chance(0.5)) return deallocate(writer);
  writer.needs = 'transaction';
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

function deallocate(writer: SceneWriter): void {
  const { random } = writer;
  const name = random.pick(NAMES);
  if (random.chance(0.7)) {
    writer.parse(name, 'select 1');
    writer.sync();
    if (random.chance(0.7)) writer.step();
  }
  const text = random.pick(['deallocate', 'DEALLOCATE', 'Deallocate  PREPARE', ' deallocate']);
  const statement = `${text} ${random.pick([name, `"${name}"`])}${random.pick(['', ';', ' ; '])}`;
  if (random.chance(0.5)) writer.query(statement);
  else {
    writer.parse('', statement);
    writer.bind('', '', []);
    writer.say(say.execute('', 0));
    writer.sync();
  }
  if (random.chance(0.7)) writer.step();
  batch(writer);
}

function cursor(writer: SceneWriter): void {
  const { random, situation } = writer;
  writer.needs = 'transaction';
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
