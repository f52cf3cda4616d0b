/** Messages that no well-behaved client sends. */
import {
  CANCEL_REQUEST,
  copyData,
  GSSENC_REQUEST,
  int32,
  message,
  packet,
  query,
  SSL_REQUEST,
  startup,
  string,
} from '../support/messages.js';
import type { Random } from '../support/random.js';
import { ODD_INT32 } from './mutation.js';
import { oddText, randomBytes } from './odd-texts.js';
import { oddScramText, saslInitialResponse } from './scram.js';

export const FRONTEND_TAGS = 'QPBDECSHFXdcfp';

/** Stands in every startup parameter that must not go further than the pooler. */
export const POISON = 'p0is0n';

const VERSIONS = [
  196_608,
  196_609,
  196_610,
  196_611,
  196_608 + 9999,
  131_072,
  65_536,
  0,
  262_144,
  0x7fffffff,
  -1,
  80_877_105,
] as const;
/** Parameters of a server that a client can set when it connects to PostgreSQL itself, and some that do not exist. */
const PARAMETERS = [
  'search_path',
  'options',
  'role',
  'session_authorization',
  'statement_timeout',
  'default_transaction_read_only',
  'local_preload_libraries',
  'is_superuser',
  '_pq_.',
  '_pq_.command',
  'Options',
  'DOORMAN',
  "a'b",
  '"',
  ';',
] as const;
const TRACKED = [
  'client_encoding',
  'CLIENT_ENCODING',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'standard_conforming_strings',
  'application_name',
] as const;
const TRACKED_VALUES = [
  'UTF8',
  'latin1',
  'ISO',
  'GMT',
  'on',
  'off',
  "x'; select 1; --",
  "\\'; select 2; --",
  '\\',
] as const;
const REPLICATION = ['true', 'database', 'off', '', '2'] as const;

/** A startup packet with parameters of any name. Returns with those that the pooler must keep to itself marked. */
export function oddStartup(random: Random, user: string, database: string): Buffer {
  const pairs: [string, string][] = [['user', user]];
  if (random.chance(0.95)) pairs.push(['database', database]);
  for (let left = random.below(6); left > 0; left--) {
    const isTracked = random.chance(0.3);
    if (isTracked) pairs.push([random.pick(TRACKED), random.pick(TRACKED_VALUES)]);
    else
      pairs.push([
        random.pick(PARAMETERS),
        `${random.pick(['', '-c search_path=', "'; set role "])}${POISON}`,
      ]);
  }
  if (random.chance(0.1))
    pairs.push([`${POISON}${oddText(random).toString('latin1').replaceAll('\0', '')}`, POISON]);
  if (random.chance(0.03)) pairs.push(['replication', random.pick(REPLICATION)]);
  if (random.chance(0.1)) pairs.reverse();
  const version = random.chance(0.7) ? 196_608 : random.pick(VERSIONS);
  return packet(version, ...pairs.flatMap(([name, value]) => [string(name), string(value)]), Buffer.of(0));
}

/** What may come before a startup packet, once or again and again. */
export function oddPreludes(random: Random): Buffer[] {
  const requests = [packet(SSL_REQUEST), packet(GSSENC_REQUEST), packet(SSL_REQUEST, oddText(random))];
  return Array.from({ length: random.below(4) }, () => random.pick(requests));
}

/** A CancelRequest of any length, for any key. */
export function oddCancel(random: Random): Buffer {
  const length = random.pick([0, 1, 3, 4, 4, 4, 5, 8, 32, 32, 33, 255, 256, 257, 9000]);
  const key = random.chance(0.1)
    ? Buffer.alloc(0)
    : int32(random.chance(0.7) ? random.below(64) : random.pick(ODD_INT32));
  return packet(CANCEL_REQUEST, key, randomBytes(random, length));
}

const ADMIN_COMMANDS = [
  'show pools',
  'SHOW CLIENTS;',
  'show servers',
  'show stats',
  'show lists',
  'show config',
  'show databases',
  'show help',
  'show',
  'show show',
  'show __proto__',
  'show constructor',
  'show pools; show pools',
  'set x = 1',
  'SET',
  'reload all',
  'pause',
  "select 'x'",
  ';',
  '',
  '/* */ show version',
  '\u00a0show\u2003version',
] as const;

export function oddAdminQuery(random: Random): Buffer {
  if (random.chance(0.7)) return query(random.pick(ADMIN_COMMANDS));
  const verb = random.pick(['show ', 'set ', '']);
  return message(
    'Q',
    Buffer.concat([Buffer.from(verb), oddText(random), Buffer.from(random.pick(['\0', '', '\0\0']))]),
  );
}

/** A message behind the startup packet. */
export function oddFrontend(random: Random): Buffer {
  const counts = (): Buffer => randomBytes(random, random.below(12));
  const name = (): Buffer => Buffer.concat([oddText(random), Buffer.of(0)]);
  switch (random.below(16)) {
    case 0:
      return message('p', oddText(random));
    case 1:
      return saslInitialResponse(
        oddScramText(random),
        random.pick(['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS', '', 'x']),
      );
    case 2:
      return message('p', oddScramText(random));
    case 3:
      return message('P', name(), name(), counts());
    case 4:
      return message('B', string(''), string(random.pick(['', 's1', 'nobody'])), counts());
    case 5:
      return message('D', Buffer.of(random.pick([0, 0x53, 0x50, 0x58])), name());
    case 6:
      return message('C', Buffer.of(random.pick([0, 0x53, 0x50, 0x58])), name());
    case 7:
      return message('E', name(), counts());
    case 8:
      return message('F', counts(), counts());
    case 9:
      return message('Q', oddText(random));
    case 10:
      return copyData(oddText(random));
    case 11:
      return message(
        random.pick(['S', 'H', 'X', 'c']),
        random.chance(0.5) ? Buffer.alloc(0) : oddText(random),
      );
    case 12:
      return oddCancel(random);
    case 13:
      return random.chance(0.5) ? packet(SSL_REQUEST) : startup({ user: 'again' });
    case 14:
      return Buffer.concat([Buffer.of(random.below(256)), int32(random.pick(ODD_INT32))]);
    default:
      return message(String.fromCharCode(random.below(127)), oddText(random));
  }
}
