/** Random scripts for a backend: messages of one frontend, in the model's SQL, that need not make sense. */
import * as say from '../support/differential-messages.js';
import type { Said } from '../support/differential-script.js';
import type { Random } from '../support/random.js';

/** The last row of every script. */
export const THE_END = 'the end';
const MESSAGES_MAX = 30;
const STATEMENT_NAMES = ['', '', 's1', 's2', 'DOORMAN_1'];
const PORTAL_NAMES = ['', '', 'p1', 'p2'];
const FUNCTIONS = [177, 154, 1];

export function drawScript(random: Random): Said[] {
  const script: Said[] = [];
  while (script.length < MESSAGES_MAX && !random.chance(0.05)) script.push(...scene(random));
  // COPY ends, then the transaction.
  return [
    ...script,
    say.copyFail('the end'),
    say.sync(),
    say.query('rollback'),
    say.query(`select '${THE_END}'`),
  ];
}

function scene(random: Random): Said[] {
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return queried(queryText(random));
    case 3:
    case 4:
      return queried(transactionText(random));
    case 5:
      return copyScene(random);
    case 6:
      return random.chance(0.3) ? [stray(random)] : [say.sync()];
    case 7:
      return [say.functionCall(random.pick(FUNCTIONS), random.pick([['6', '0'], ['6', '3'], ['1']]))];
    default:
      return batch(random);
  }
}

/** The portal of a Query that fails stays, in a transaction that has failed, and has lost the memory its statement was
 *  in: PostgreSQL may crash when it is executed. */
function queried(sql: string): Said[] {
  return [say.query(sql), say.closePortal('')];
}

function queryText(random: Random): string {
  if (random.chance(0.04)) return random.pick(['', ' ; ', '/* c1 */', "select 'open", '/* open', '-- c']);
  const count = random.chance(0.6) ? 1 : random.between(2, 4);
  const texts = Array.from({ length: count }, () =>
    random.chance(0.2) ? transactionText(random) : anyText(random),
  );
  return random.pick(['', '', '/* c1 */ ', '/* c1 */ -- and\n']) + texts.join(random.pick(['; ', ';']));
}

function transactionText(random: Random): string {
  return random.pick([
    ...['begin', 'begin', 'begin', 'BEGIN WORK', 'start transaction'],
    ...['commit', 'commit', 'end', 'rollback', 'rollback', 'abort'],
    ...['savepoint a', 'savepoint a', 'savepoint b', 'rollback to a', 'rollback to savepoint b', 'release a'],
  ]);
}

function anyText(random: Random): string {
  switch (random.below(5)) {
    case 0:
      return settingText(random);
    case 1:
      return keptText(random);
    default:
      return selectText(random);
  }
}

function selectText(random: Random): string {
  return random.pick([
    "select 'text'",
    "select 'it''s'",
    'select $1::text',
    'select 7',
    `select repeat('x', ${random.pick([0, 3, 8180, 30_000])})`,
    `select i from generate_series(1, ${random.below(12)}) i`,
    'select i from generate_series(1, 2000) i',
    'select 60 / (40 - i) from generate_series(1, 60) i',
    'select 1/0',
    'select pg_sleep(0)',
    'select * from missing',
    'selec',
  ]);
}

function settingText(random: Random): string {
  return random.pick([
    "set timezone to 'Europe/Berlin'",
    "set timezone = 'asia/tokyo'",
    "set timezone to 'UTC'",
    "set local timezone to 'Europe/Paris'",
    "set timezone to 'nowhere'",
    "set work_mem to '8MB'",
    "set work_mem to '1024kB'",
    "set local work_mem to '100kB'",
    "set work_mem to '1kB'",
    'set nothing to 1',
    'show timezone',
    'show work_mem',
    'show nothing',
    'reset timezone',
    'reset all',
    'reset role',
    'reset session authorization',
    'discard all',
  ]);
}

/** What leaves something in the session, or takes it away. */
function keptText(random: Random): string {
  const name = random.pick(['q1', 'q2']);
  const cursor = random.pick(['k1', 'k2']);
  return random.pick([
    `prepare ${name} as select i from generate_series(1, 5) i`,
    `prepare ${name} as select $1::text`,
    `prepare ${name} as select * from missing`,
    `prepare ${name} as select 60 / (40 - i) from generate_series(1, 60) i`,
    `execute ${name}`,
    `execute ${name}('v')`,
    `deallocate ${name}`,
    random.pick(['deallocate s1', 'deallocate all', 'deallocate prepare all']),
    `declare ${cursor} cursor for select i from generate_series(1, 9) i`,
    `declare ${cursor} cursor for select 60 / (40 - i) from generate_series(1, 60) i`,
    `declare ${cursor} cursor with hold for select i from generate_series(1, 9) i`,
    `declare ${cursor} cursor with hold for select 60 / (40 - i) from generate_series(1, 60) i`,
    `declare ${cursor} cursor for ${selectText(random)}`,
    `fetch ${random.pick(['', '3 ', 'all ', 'next from ', '2 in '])}${cursor}`,
    `fetch 4 ${cursor}`,
    `close ${cursor}`,
    'close all',
    'listen one',
    'listen two',
    'unlisten one',
    'unlisten *',
    `copy (${selectText(random)}) to stdout`,
    'copy (select i from generate_series(1, 9) i) to stdout',
    "do $$ begin raise notice 'noticed'; end $$",
  ]);
}

function batch(random: Random): Said[] {
  const messages = Array.from({ length: random.between(1, 5) }, () => operation(random)).flat();
  return random.chance(0.8) ? [...messages, say.sync()] : messages;
}

function operation(random: Random): Said[] {
  const statement = random.pick(STATEMENT_NAMES);
  const portal = random.pick(PORTAL_NAMES);
  const rows = random.pick([0, 0, 1, 3, 9]);
  switch (random.below(12)) {
    case 0:
      return [say.parse(statement, preparedText(random), random.pick([[], [], [], [25], [0], [25, 25]]))];
    case 1:
      return [say.bind(portal, statement, values(random), random.pick([[], [], [0], [1], [0, 1]]))];
    case 2:
      return [random.chance(0.5) ? say.describeStatement(statement) : say.describePortal(portal)];
    case 3:
      return [say.execute(random.chance(0.1) ? 'k1' : portal, rows)];
    case 4:
      return [random.chance(0.5) ? say.closeStatement(statement) : say.closePortal(portal)];
    case 5:
      return [say.flush()];
    case 6:
      return [say.execute(portal, 3), say.execute(portal, rows)];
    default: {
      // What drivers do most.
      const text = preparedText(random);
      return [
        ...(statement === '' ? [] : [say.closeStatement(statement)]),
        say.parse(statement, text),
        ...(random.chance(0.5) ? [say.describeStatement(statement)] : []),
        say.bind(portal, statement, text.includes('$1') ? ['v'] : [], random.pick([[], [1]])),
        ...(random.chance(0.3) ? [say.describePortal(portal)] : []),
        say.execute(portal, rows),
        ...(random.chance(0.3) ? [say.execute(portal, rows)] : []),
      ];
    }
  }
}

function preparedText(random: Random): string {
  if (random.chance(0.05)) return random.pick(['', 'select 7; select 7', '/* c1 */']);
  return random.chance(0.3) ? transactionText(random) : anyText(random);
}

function values(random: Random): (string | null)[] {
  return random.pick([[], [], ['v'], [null], ['v', 'w']]);
}

function copyScene(random: Random): Said[] {
  const text = random.pick(['copy sink from stdin', "select 'a'; copy sink from stdin; select 'b'"]);
  const start = random.chance(0.5)
    ? [say.query(text)]
    : [say.parse('', 'copy sink from stdin'), say.bind('', '', []), say.execute('', 0)];
  const data = Array.from({ length: random.below(5) }, () => copyPiece(random));
  const end = random.chance(0.75) ? say.copyDone() : say.copyFail('no more');
  const isLeftOut = random.chance(0.02);
  return [
    ...start,
    ...data,
    ...(isLeftOut ? [] : [end, say.closePortal('')]),
    ...(random.chance(0.5) ? [say.sync()] : []),
  ];
}

function copyPiece(random: Random): Said {
  if (random.chance(0.15)) return random.chance(0.5) ? say.sync() : say.flush();
  return say.copyData(
    random.pick(
      ['one\n', 'one\ntwo\n', 'o', 'ne\n', '', '\n', 'a\\', '\\\n', `${'long'.repeat(3000)}\n`].concat(
        random.chance(0.2) ? ['wrong\tx\n', '\n\\.\n', 'right\\\tx\n'] : [],
      ),
    ),
  );
}

function stray(random: Random): Said {
  return random.pick([say.flush(), say.copyDone(), say.copyFail('stray'), say.copyData('stray')]);
}
