/** The SQL of differential scripts. Nothing in it depends on what transaction pooling does not keep: no SET that outlives
 *  its transaction, no WITH HOLD, nothing that tells one server from another. */
import type { Random } from './random.js';

/** The largest row that is asked for. Bytes. */
const ROW_MAX = 300_000;

/** In any case, with and without what may stand around it. */
export function dressed(random: Random, sql: string): string {
  const cased = random.pick([sql, sql, sql.toUpperCase(), sql[0]?.toUpperCase() + sql.slice(1)]);
  return (
    random.pick(['', '', '', ' ', '\n', '/* c */ ']) +
    cased +
    random.pick(['', '', ';', ' ;', '; ', ';;', ' -- c'])
  );
}

export function transactionText(random: Random): string {
  return random.pick([
    'begin',
    'begin',
    'begin work',
    'start transaction',
    'begin read only',
    'commit',
    'commit',
    'end',
    'rollback',
    'abort',
    'commit and chain',
    'rollback and chain',
    'savepoint a',
    'savepoint a',
    'rollback to a',
    'rollback to savepoint a',
    'release a',
  ]);
}

/** One statement without parameters. */
export function plainText(random: Random, table: string): string {
  switch (random.below(22)) {
    case 0:
      return 'select 1/0';
    case 1:
      return 'selec';
    case 2:
      return 'select * from missing';
    case 3:
      return `select repeat('x', ${random.below(ROW_MAX)})`;
    case 4:
      return `select i, repeat('z', i * ${random.below(200)}) from generate_series(1, ${random.below(60)}) i`;
    case 5:
      return 'select 60 / (40 - i) from generate_series(1, 60) i';
    case 6:
      return `insert into ${table} values (${random.below(100)}, 'inserted')`;
    case 7:
      return `update ${table} set t = t || 'u' where i < ${random.below(100)} returning i, left(t, 20)`;
    case 8:
      return `delete from ${table} where i = ${random.below(100)}`;
    case 9:
      return `select count(*), sum(i), sum(length(t)) from ${table}`;
    case 10:
      return "do $$ begin raise notice 'noticed'; end $$";
    case 11:
      return "do $$ begin raise warning 'about to fail'; raise exception 'failed' using errcode = 'ZZ001'; end $$";
    case 12:
      return `do $$ begin raise notice '%', repeat('n', ${random.below(70_000)}); end $$`;
    case 13:
      return "set local work_mem = '1MB'";
    case 14:
      return 'show transaction_isolation';
    case 15:
      return 'values (1), (2), (null)';
    case 16:
      return 'select';
    case 17:
      return `set local intervalstyle = 'sql_standard'`;
    case 18:
      return `select interval '1 day 2 hours'`;
    case 19:
      return `copy (select i, repeat('c', i * ${random.below(100)}) from generate_series(1, ${random.below(50)}) i) to stdout`;
    case 20:
      return `copy (select 60 / (40 - i) from generate_series(1, 60) i) to stdout`;
    default:
      return `select ${random.below(5)} as n`;
  }
}

/** What is parsed: few, so that statements are met again, and few parameters. */
export function preparedText(random: Random, table: string): string {
  return random.pick([
    'select 1',
    'select 2 as two, null',
    'select $1::int + 1',
    'select $1::text, $2::int',
    'select 1 / $1::int',
    `select i, t from ${table} order by i, t limit 9`,
    `insert into ${table} values ($1, $2)`,
    `delete from ${table} where i = $1`,
    "select repeat('y', $1::int)",
    'select i from generate_series(1, $1::int) i',
    'select i, $1::text from generate_series(1, 7) i',
    '',
    'selec',
    'select * from missing',
    'select 1; select 2',
    'commit',
    'rollback',
    'savepoint a',
    'rollback to a',
    "do $$ begin raise notice 'from a batch'; end $$",
    "set local work_mem = '2MB'",
    'show work_mem',
    `copy (select i from generate_series(1, 30) i) to stdout`,
  ]);
}

export function parameter(random: Random): string | null {
  return random.pick(['0', '1', '2', '7', '40', 'not a number', null, 'p'.repeat(random.below(20_000))]);
}

/** A line of COPY data for (int, text), at times a wrong one unless it is to be right. */
export function copyLine(random: Random, isRight: boolean): string {
  if (!isRight && random.chance(0.15)) return random.pick(['wrong\tx\n', '1\n', '1\t2\t3\n']);
  return `${random.below(100)}\t${'d'.repeat(random.pick([0, 1, 10, 1000, 9000, 70_000]))}\n`;
}
