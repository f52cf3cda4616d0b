/** Messages that PostgreSQL never sends. */
import { int32, message, string } from '../support/messages.js';
import type { Random } from '../support/random.js';
import { ODD_INT32 } from './mutation.js';
import { oddText, randomBytes } from './odd-texts.js';
import { oddScramText } from './scram.js';

export const BACKEND_TAGS = 'RSKZTDC123tnIsEANGHWdcVv';

const FIELDS = 'SVCMDHPpqWsctdnFLRXz\x01'.split('');
const FIELD_TEXTS = [
  'ERROR',
  'FATAL',
  'PANIC',
  'WARNING',
  '',
  '57P01',
  '42601',
  '00000',
  'x',
  'XXXXXXXX',
] as const;
const PARAMETERS = [
  'client_encoding',
  'TimeZone',
  'standard_conforming_strings',
  'application_name',
  'server_version',
  'in_hot_standby',
  '',
  'x',
] as const;
const COMMAND_TAGS = [
  'SELECT',
  'SELECT 0',
  'SET',
  'BEGIN',
  'PREPARE',
  'DISCARD ALL',
  'COPY 1',
  'LISTEN',
  '',
  'S',
] as const;

export function oddBackend(random: Random): Buffer {
  switch (random.below(14)) {
    case 0:
    case 1:
      return message(random.chance(0.8) ? 'E' : 'N', oddErrorFields(random));
    case 2:
      return message('K', randomBytes(random, random.pick([0, 1, 3, 4, 5, 7, 8, 9, 12, 36, 260, 261, 300])));
    case 3:
      return rowDescription(random);
    case 4:
      return dataRow(random);
    case 5:
      return parameterStatus(random);
    case 6:
      return message('Z', random.chance(0.5) ? Buffer.of(random.below(256)) : oddText(random));
    case 7:
      return oddAuthentication(random);
    case 8:
      return message(random.pick(['G', 'H', 'W']), randomBytes(random, random.below(12)));
    case 9:
      return message('C', random.chance(0.5) ? string(random.pick(COMMAND_TAGS)) : oddText(random));
    case 10:
      return message(
        random.pick(['1', '2', '3', 'n', 'I', 's', 'c']),
        random.chance(0.7) ? Buffer.alloc(0) : oddText(random),
      );
    case 11:
      return message(random.pick(['A', 'v', 't', 'V', 'd']), randomBytes(random, random.below(20)));
    case 12:
      return Buffer.concat([Buffer.of(random.below(256)), int32(random.pick(ODD_INT32))]);
    default:
      return message(String.fromCharCode(random.below(127)), oddText(random));
  }
}

/** Fields that are missing (SQLSTATE above all), empty, twice there or without an end. */
function oddErrorFields(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let left = random.below(8); left > 0; left--) {
    parts.push(
      Buffer.from(random.chance(0.6) ? random.pick(['S', 'V', 'C', 'M']) : random.pick(FIELDS), 'latin1'),
    );
    parts.push(random.chance(0.8) ? Buffer.from(random.pick(FIELD_TEXTS)) : oddText(random));
    if (random.chance(0.9)) parts.push(Buffer.of(0));
  }
  if (random.chance(0.8)) parts.push(Buffer.of(0));
  return Buffer.concat(parts);
}

/** So many columns, it says. */
function rowDescription(random: Random): Buffer {
  const column = (): Buffer =>
    Buffer.concat([string('c'), randomBytes(random, random.chance(0.8) ? 18 : random.below(30))]);
  return message('T', count(random), ...Array.from({ length: random.below(5) }, column));
}

function dataRow(random: Random): Buffer {
  const value = (): Buffer =>
    Buffer.concat([int32(random.chance(0.5) ? 3 : random.pick(ODD_INT32)), Buffer.from('abc')]);
  return message('D', count(random), ...Array.from({ length: random.below(5) }, value));
}

function count(random: Random): Buffer {
  return random.chance(0.3) ? randomBytes(random, random.below(3)) : Buffer.of(0, random.below(6));
}

function parameterStatus(random: Random): Buffer {
  const name = random.chance(0.8) ? Buffer.from(random.pick(PARAMETERS)) : oddText(random);
  const end = (): Buffer => Buffer.from(random.chance(0.9) ? '\0' : '');
  return message('S', name, end(), oddText(random), end());
}

const METHODS = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 255, -1] as const;

/** Authentication of any method with any content. */
export function oddAuthentication(random: Random): Buffer {
  const method = random.pick(METHODS);
  if (random.chance(0.1)) return message('R', randomBytes(random, random.below(4)));
  const content = method === 11 || method === 12 ? oddScramText(random) : oddText(random);
  return message('R', int32(method), random.chance(0.3) ? Buffer.alloc(0) : content);
}
