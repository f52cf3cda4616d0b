/** What drivers, pools and tools send by themselves, and what is answered so that they come to the commands that they
 *  were started for. There is no session here that any of it could change. */
import { type Column, TypeOid } from '../../wire/message-builder.js';
import { VERSION } from '../version.js';
import { text } from './command.js';
import { answered, type PreparedCommand } from './prepared-command.js';
import { inCapitals, type Word } from './words.js';

/** First words, and the tag of the answer. */
const UNHEARD: readonly (readonly [RegExp, string])[] = [
  [/^SET (?!LOG)/, 'SET'], // who writes that means log_level
  [/^RESET /, 'RESET'],
  [/^DISCARD (ALL|PLANS|SEQUENCES|TEMP|TEMPORARY)$/, 'DISCARD $1'],
  [/^DEALLOCATE (?:PREPARE )?ALL$/, 'DEALLOCATE ALL'],
  [/^CLOSE ALL$/, 'CLOSE CURSOR ALL'],
  [/^UNLISTEN /, 'UNLISTEN'],
  [/^SAVEPOINT /, 'SAVEPOINT'],
  [/^RELEASE /, 'RELEASE'],
  [/^ROLLBACK TO /, 'ROLLBACK'],
];

const BEGINS = /^(BEGIN|START TRANSACTION)\b/;
const ENDS = /^(COMMIT|END|ROLLBACK|ABORT)( WORK| TRANSACTION)?$/;
const END_TAGS: Readonly<Record<string, string>> = { END: 'COMMIT', ABORT: 'ROLLBACK' };

/** Parameters that are asked for with SHOW: what the greeting has said, and what else drivers look at. */
const PARAMETERS: ReadonlyMap<string, readonly [name: string, value: string]> = new Map(
  Object.entries({
    application_name: 'pg_doorman',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    default_transaction_read_only: 'off',
    in_hot_standby: 'off',
    integer_datetimes: 'on',
    IntervalStyle: 'postgres',
    max_identifier_length: '63',
    search_path: '',
    server_encoding: 'UTF-8',
    server_version: VERSION,
    standard_conforming_strings: 'on',
    TimeZone: 'Etc/UTC',
    transaction_isolation: 'read committed',
    transaction_read_only: 'off',
  }).map(([name, value]) => [name.toUpperCase(), [name, value]]),
);
const LONG_NAMES: Readonly<Record<string, string>> = {
  'TRANSACTION ISOLATION LEVEL': 'TRANSACTION_ISOLATION',
  'TIME ZONE': 'TIMEZONE',
};

/** Functions without arguments that are asked with SELECT. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  VERSION: `PgDoorman ${VERSION} (as PostgreSQL 17.0)`, // some look for a number behind this name
  CURRENT_DATABASE: 'pgdoorman',
  CURRENT_SCHEMA: 'public',
  PG_IS_IN_RECOVERY: 'f',
  PG_ADVISORY_UNLOCK_ALL: '',
};
const FUNCTION = /^SELECT (?:PG_CATALOG\.)?(\w+) \( \)$/;
const NUMBER = /^SELECT (\d{1,9})$/;
/** Some ask what types there are beside those that they know: none. */
const TYPES = /^SELECT .* FROM (PG_CATALOG\.)?PG_TYPE\b/;

/** The answer, null when it is no such question. */
export function driverQuestion(words: readonly Word[]): PreparedCommand | null {
  const command = inCapitals(words);
  if (BEGINS.test(command)) {
    const tag = command.startsWith('BEGIN') ? 'BEGIN' : 'START TRANSACTION';
    return answered(tag, { block: 'begins' });
  }
  const [, end = ''] = ENDS.exec(command) ?? [];
  if (end !== '') return answered(END_TAGS[end] ?? end, { block: 'ends' });
  for (const [pattern, tag] of UNHEARD) {
    const found = pattern.exec(command);
    if (found !== null) return answered(tag.replace('$1', found[1] ?? ''));
  }
  return command.startsWith('SHOW ') ? parameter(command.slice('SHOW '.length)) : selected(command);
}

function parameter(asked: string): PreparedCommand | null {
  const [name, value] = PARAMETERS.get(LONG_NAMES[asked] ?? asked) ?? [];
  return name === undefined || value === undefined ? null : oneValue('SHOW', text(name), value);
}

function selected(command: string): PreparedCommand | null {
  if (TYPES.test(command)) return answered('SELECT 0', { columns: [] });
  const [, number] = NUMBER.exec(command) ?? [];
  if (number !== undefined) return oneValue('SELECT 1', { name: '?column?', typeOid: TypeOid.Int4 }, number);
  const [, name = ''] = FUNCTION.exec(command) ?? [];
  const value = FUNCTIONS[name];
  if (value === undefined) return null;
  const typeOid = name === 'PG_IS_IN_RECOVERY' ? TypeOid.Bool : TypeOid.Text;
  return oneValue('SELECT 1', { name: name.toLowerCase(), typeOid }, value);
}

function oneValue(tag: string, column: Column, value: string): PreparedCommand {
  return { tag, columns: [column], run: () => Promise.resolve([[value]]) };
}
