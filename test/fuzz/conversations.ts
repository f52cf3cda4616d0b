/** Real conversations of clients, as scripts of messages. They run at PostgreSQL as a role that can do no harm. What
 *  they change in a session, a pooler can see by CommandComplete. */
import {
  bind,
  closeStatement,
  copyData,
  copyDone,
  copyFail,
  describePortal,
  describeStatement,
  execute,
  flush,
  int32,
  message,
  parse,
  query,
  sync,
} from '../support/messages.js';
import type { Random } from '../support/random.js';

/** The table that they write to. */
export const TABLE = 'fuzzed';

/** Without COPY FROM STDIN, which waits for data. */
export const SIMPLE_SQL: readonly string[] = [
  'select 1',
  "select 'text', null, 3.5",
  'select i, repeat(chr(64 + i), i) from generate_series(1, 20) i',
  "select repeat('x', 20000)",
  'select 1; select 2',
  '',
  ';',
  'select 1/0',
  'syntax error',
  'begin',
  'BEGIN;',
  'commit',
  'rollback',
  'savepoint a',
  'set search_path to nowhere',
  "set application_name to 'fuzz'",
  'show search_path',
  'reset all',
  "set local statement_timeout to '1s'",
  'prepare p as select 1',
  'execute p',
  'deallocate p',
  'deallocate all',
  'discard all',
  'listen fuzz',
  'notify fuzz',
  'unlisten *',
  'declare c cursor with hold for select 1',
  'fetch all from c',
  'close c',
  `insert into ${TABLE} values (1, 'a')`,
  `delete from ${TABLE}`,
  `copy ${TABLE} to stdout`,
  "do $$ begin raise notice 'noticed'; end $$",
  'select pg_sleep(0.001)',
];
export const COPY_IN = `copy ${TABLE} from stdin`;
export const PREPARED_SQL: readonly string[] = [
  'select $1::text',
  'select i from generate_series(1, 5) i',
  `insert into ${TABLE} values (1, $1)`,
  'select',
  'select 1/0',
  'nonsense',
];
const NAMES = ['', 's1', 's2', 's3', 'a_name_that_is_rather_long_for_a_statement'] as const;

type Scene = (random: Random) => Buffer[];

const simple: Scene = (random) => [query(random.pick(SIMPLE_SQL))];

const transaction: Scene = (random) => [
  query('begin'),
  ...several(random, 4, simple),
  query(random.pick(['commit', 'rollback'])),
];

const extended: Scene = (random) => [...batch(random), sync()];

const pipeline: Scene = (random) => [...several(random, 5, batch), sync()];

const patient: Scene = (random) => [...batch(random), flush(), ...batch(random), sync(), sync()];

const reused: Scene = (random) => {
  const name = random.pick(NAMES);
  const uses = several(random, 6, () => [bind('', name, ['v']), execute(), sync()]);
  return [
    parse(name, 'select $1::text'),
    describeStatement(name),
    sync(),
    ...uses,
    closeStatement(name),
    sync(),
  ];
};

const portals: Scene = () => [
  query('begin'),
  parse('', 'select i from generate_series(1, 10) i'),
  bind('p', ''),
  execute('p', 3),
  execute('p', 3),
  describePortal('p'),
  sync(),
  execute('p', 0),
  sync(),
  query('commit'),
];

const copyIn: Scene = (random) => [
  query(COPY_IN),
  ...several(random, 8, () => [copyData(`${random.below(99)}\ttext\n`)]),
  random.chance(0.8) ? copyDone() : copyFail('enough'),
];

const copyInExtended: Scene = (random) => [
  parse('', COPY_IN),
  bind('', ''),
  execute(),
  sync(),
  ...several(random, 3, () => [copyData('1\tx\n')]),
  copyDone(),
  sync(),
];

/** version(). */
const functionCall: Scene = () => [message('F', int32(89), Buffer.of(0, 0, 0, 0, 0, 0))];

const SCENES: readonly Scene[] = [
  simple,
  simple,
  simple,
  transaction,
  extended,
  extended,
  pipeline,
  patient,
  reused,
  portals,
  copyIn,
  copyInExtended,
  functionCall,
];

/** A scene of a conversation. */
export function drawScene(random: Random): Buffer[] {
  return random.pick(SCENES)(random);
}

function batch(random: Random): Buffer[] {
  const name = random.pick(NAMES);
  const sql = random.pick(PREPARED_SQL);
  const describes = random.below(3);
  return [
    parse(name, sql),
    ...(describes === 1 ? [describeStatement(name)] : []),
    bind('', name, sql.includes('$1') ? ['value'] : []),
    ...(describes === 2 ? [describePortal('')] : []),
    execute(),
    ...(random.chance(0.3) ? [closeStatement(name)] : []),
  ];
}

function several(random: Random, most: number, scene: Scene): Buffer[] {
  return Array.from({ length: random.between(1, most) }, () => scene(random)).flat();
}
