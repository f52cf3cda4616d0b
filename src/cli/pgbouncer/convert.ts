/** pgbouncer.ini as a configuration of pg_doorman that behaves as it did: what PgBouncer has by default and we have not
 *  is written, too, and what has no equal is told, with what to do. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { nearest } from '../../config/complaints.js';
import type { Values } from '../../config/writing/annotated.js';
import type { DraftAndWarnings } from '../generate/server-draft.js';
import { accessValues, consoleValues } from './access.js';
import { readAuthFile } from './auth-file.js';
import { lifetimeOf, poolDrafts } from './databases.js';
import { fileBeside, type IniEntry, readIniFile } from './ini-file.js';
import { Notes } from './notes.js';
import { CLIENT_TLS_FILES, CLIENT_TLS_MODES, RULES } from './settings.js';
import { booleanOf, integerOf, secondsOf } from './values.js';

type Settings = ReadonlyMap<string, IniEntry>;

const HEADS = {
  en: 'Configuration of pg_doorman, converted from',
  ru: 'Конфигурация pg_doorman, полученная из',
} as const;
const TODO = {
  en: 'What has no equal, and what to do:',
  ru: 'Чему нет соответствия и что делать:',
} as const;
/** The longest that can be written, for waiting without end. */
const FOR_EVER = '365d';

/** Throws CannotReadPgBouncer. */
export function convertPgBouncer(file: string, language: 'en' | 'ru'): DraftAndWarnings {
  const notes = new Notes();
  const ini = readIniFile(file);
  const settings: Settings = ini.get('pgbouncer') ?? new Map();
  const authFile = settings.get('auth_file');
  const passwords =
    authFile === undefined ? new Map<string, string>() : readAuthFile(fileBeside(authFile.value, file));
  const general = {
    ...listening(settings, notes),
    ...sameSettings(settings, notes),
    ...syslog(settings),
    ...timeouts(settings, notes),
    ...statements(settings, notes),
    ...clientTls(settings, notes),
    sync_server_parameters: true,
    ...consoleValues(settings, passwords, notes),
    ...accessValues(settings, file, notes),
  };
  const pools = poolDrafts({ ini, passwords, notes });
  for (const entry of ini.get('peers')?.values() ?? []) {
    notes.of(
      entry,
      'peers are not taken over: a process cannot have any, and worker_threads takes their place',
    );
  }
  if (passwords.size === 0 && pools.every(({ authQuery }) => authQuery === null)) {
    notes.texts.push(
      `${file}: there is neither a user in auth_file nor an auth_user: list users in the pools`,
    );
    notes.isIncomplete = true;
  }
  const list =
    notes.texts.length === 0 ? [] : ['', TODO[language], ...notes.texts.map((each) => `- ${each}`)];
  return {
    draft: { head: [`${HEADS[language]} ${file}`, ...list, ''], general, pools },
    warnings: notes.texts,
    isIncomplete: notes.isIncomplete,
  };
}

/** Everything that is only called otherwise; and word of what has no equal. */
function sameSettings(settings: Settings, notes: Notes): Values {
  const values: Record<string, unknown> = {};
  for (const [key, rule] of Object.entries(RULES)) {
    const entry = settings.get(key);
    if (rule.kind === 'none' && entry !== undefined) notes.of(entry, rule.advice);
    if (rule.kind !== 'same') continue;
    const text = entry?.value ?? rule.preset;
    if (text === undefined || text === '') continue;
    const value = rule.read(text);
    if (value !== null) values[rule.as] = value;
    else if (entry !== undefined) notes.mustDo(entry, `its value is not understood; see ${rule.as}`);
  }
  for (const entry of settings.values()) {
    if (RULES[entry.key] === undefined) notes.of(entry, unknown(entry.key));
  }
  return values;
}

function unknown(key: string): string {
  const meant = nearest(key, Object.keys(RULES));
  const what = 'is no setting of PgBouncer that is known here';
  return meant === '' ? what : `${what}; did you mean ${meant}?`;
}

/** One address, or one unix socket: PgBouncer has as many as one likes. */
function listening(settings: Settings, notes: Notes): Values {
  const entry = settings.get('listen_addr');
  const socket = settings.get('unix_socket_dir');
  if (entry === undefined || entry.value === '') {
    const directory = socket?.value ?? '/tmp';
    if (socket !== undefined && !directory.startsWith('/')) {
      notes.mustDo(socket, 'pg_doorman listens on an address, or in a directory: 127.0.0.1 is written');
    }
    return { host: directory.startsWith('/') ? directory : '127.0.0.1' };
  }
  const [first = '', ...others] = entry.value.split(',').map((each) => each.trim());
  if (others.length > 0) notes.of(entry, `pg_doorman listens on one address: ${first}`);
  if (socket !== undefined && socket.value !== '') {
    notes.of(socket, 'pg_doorman listens on an address or on a unix socket: on the address of listen_addr');
  }
  const host = first === '*' ? '0.0.0.0' : first === 'localhost' ? '127.0.0.1' : first;
  if (isIP(host) === 0) notes.mustDo(entry, 'host wants an IP address in place of a name');
  return { host };
}

function syslog(settings: Settings): Values {
  if (booleanOf(settings.get('syslog')?.value ?? '0') !== true) return {};
  return { syslog_prog_name: settings.get('syslog_ident')?.value ?? 'pgbouncer' };
}

/** Where 0 means something else there than here. */
function timeouts(settings: Settings, notes: Notes): Values {
  const lifetime = settings.get('server_lifetime');
  return {
    query_wait_timeout: queryWait(settings.get('query_wait_timeout'), notes),
    server_lifetime: lifetime === undefined ? '1h' : lifetimeOf(lifetime.value, lifetime, notes),
    server_idle_check_timeout: idleCheck(settings, notes),
  };
}

/** 0 there: no end; here: not at all. */
function queryWait(entry: IniEntry | undefined, notes: Notes): unknown {
  const timeout = secondsOf(entry?.value ?? '120');
  if (entry !== undefined && timeout === 0) {
    notes.of(entry, `0: there is no waiting without end: ${FOR_EVER} is written`);
    return FOR_EVER;
  }
  return timeout;
}

/** A delay of 0 there: always; here: never. */
function idleCheck(settings: Settings, notes: Notes): unknown {
  const query = settings.get('server_check_query');
  if (query?.value === '') return 0;
  if (query !== undefined && query.value !== '<empty>') {
    notes.of(query, 'whether a server is alive is asked by an empty query; there is nothing to do');
  }
  const delay = secondsOf(settings.get('server_check_delay')?.value ?? '30');
  return delay === 0 ? '1ms' : delay;
}

function statements(settings: Settings, notes: Notes): Values {
  const entry = settings.get('max_prepared_statements');
  if (entry === undefined) return {};
  const count = integerOf(entry.value);
  if (count === null) notes.mustDo(entry, 'is no number; see prepared_statements_cache_size');
  if (count === null || count === 0) return { prepared_statements: count === null };
  return { prepared_statements_cache_size: count };
}

function clientTls(settings: Settings, notes: Notes): Values {
  const entry = settings.get('client_tls_sslmode');
  const mode = CLIENT_TLS_MODES[entry?.value ?? 'disable'];
  if (mode === undefined) {
    if (entry !== undefined) notes.mustDo(entry, 'is no mode of PgBouncer; see tls_mode');
    return {};
  }
  if (mode === 'disable') return { tls_mode: mode };
  const files = Object.entries(CLIENT_TLS_FILES).flatMap(([theirs, ours]): [string, string][] => {
    const file = settings.get(theirs)?.value ?? '';
    return file === '' ? [] : [[ours, resolve(file)]];
  });
  return { tls_mode: mode, ...Object.fromEntries(files) };
}
