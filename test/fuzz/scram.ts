/** SCRAM-SHA-256 as far as a peer needs it, without the code that is tested, and messages of it that are wrong.
 *  RFC 5802, RFC 7677. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { int32, message, string } from '../support/messages.js';
import type { Random } from '../support/random.js';
import { randomBytes as drawBytes, oddText } from './odd-texts.js';

const MECHANISM = 'SCRAM-SHA-256';
const KEY_LENGTH = 32;
const CLIENT_NONCE = 'fuzzfuzzfuzzfuzzfuzzfuzz';
const CLIENT_FIRST_BARE = `n=,r=${CLIENT_NONCE}`;

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** A password with its keys. */
export class ScramSecret {
  readonly password: string;
  readonly iterations: number;
  readonly salt: Buffer;
  private readonly clientKey: Buffer;
  private readonly storedKey: Buffer;
  private readonly serverKey: Buffer;

  constructor(password: string, iterations = 4096, salt: Buffer = randomBytes(16)) {
    this.password = password;
    this.iterations = iterations;
    this.salt = salt;
    const salted = pbkdf2Sync(password, this.salt, iterations, KEY_LENGTH, 'sha256');
    this.clientKey = hmac(salted, 'Client Key');
    this.storedKey = createHash('sha256').update(this.clientKey).digest();
    this.serverKey = hmac(salted, 'Server Key');
  }

  /** What a client makes of its password when it has heard this server-first-message. */
  static for(password: string, serverFirst: string): ScramSecret {
    const salt = Buffer.from(/s=([^,]*)/.exec(serverFirst)?.[1] ?? '', 'base64');
    return new ScramSecret(password, Number(/i=(\d+)/.exec(serverFirst)?.[1]), salt);
  }

  /** As it stands in a configuration. */
  get verifier(): string {
    const keys = `${this.storedKey.toString('base64')}:${this.serverKey.toString('base64')}`;
    return `${MECHANISM}$${this.iterations}:${this.salt.toString('base64')}$${keys}`;
  }

  /** What nobody else may see, as texts. */
  get keys(): string[] {
    return [this.clientKey, this.storedKey, this.serverKey].flatMap((key) => [
      key.toString('base64'),
      key.toString('hex'),
    ]);
  }

  /** The client-first-message with this header. */
  clientFirst(header = 'n,,'): Buffer {
    return Buffer.from(header + CLIENT_FIRST_BARE);
  }

  /** The SASLResponse to a server-first-message, which may be anything. `binding`: the header, and what it binds to. */
  clientFinal(serverFirst: string, binding: Buffer = Buffer.from('n,,')): Buffer {
    const nonce = /^r=([^,]*)/.exec(serverFirst)?.[1] ?? '';
    const withoutProof = `c=${binding.toString('base64')},r=${nonce}`;
    const signature = hmac(this.storedKey, `${CLIENT_FIRST_BARE},${serverFirst},${withoutProof}`);
    const proof = signature.map((byte, at) => byte ^ (this.clientKey[at] ?? 0));
    return message('p', Buffer.from(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`));
  }

  /** The server-first-message to a client-first-message. */
  serverFirst(clientFirst: string): string {
    const nonce = /r=([^,]*)/.exec(clientFirst)?.[1] ?? '';
    return `r=${nonce}server,s=${this.salt.toString('base64')},i=${this.iterations}`;
  }

  /** The server-final-message. */
  serverFinal(clientFirst: string, serverFirst: string, clientFinal: string): string {
    const [withoutProof] = clientFinal.split(',p=');
    const signed = `${clientFirst.replace(/^n,,/, '')},${serverFirst},${withoutProof}`;
    return `v=${hmac(this.serverKey, signed).toString('base64')}`;
  }
}

export function saslInitialResponse(
  data: Uint8Array = Buffer.from(`n,,${CLIENT_FIRST_BARE}`),
  mechanism = MECHANISM,
): Buffer {
  return message('p', string(mechanism), int32(data.length), data);
}

export const authenticationSasl = message('R', int32(10), string(MECHANISM), Buffer.of(0));

export function authenticationSaslStep(code: 11 | 12, text: string | Buffer): Buffer {
  return message('R', int32(code), Buffer.from(text));
}

const HEADERS = [
  'n,,',
  'y,,',
  'p=tls-unique,,',
  'p=tls-server-end-point,,',
  'n,a=x,',
  'n,',
  ',,',
  '',
] as const;
const ATTRIBUTES = 'nrcpsivemax'.split('');
const VALUES = [
  '',
  'biws',
  'AAAA',
  '=',
  '====',
  '4096',
  '0',
  '-1',
  '01',
  '99999999',
  '1e3',
  CLIENT_NONCE,
] as const;

/** A SCRAM message of any length and content; of the kind of neither side. */
export function oddScramText(random: Random): Buffer<ArrayBuffer> {
  if (random.chance(0.2)) return oddText(random);
  const parts: Buffer[] = [Buffer.from(random.pick(HEADERS))];
  const chosen = random.chance(0.5) ? random.pick(['rsi', 'nr', 'crp', 'v', 'e']).split('') : ATTRIBUTES;
  for (const name of chosen) {
    if (random.chance(0.15)) continue;
    parts.push(Buffer.from(`${name}=`), oddValue(random), Buffer.from(random.chance(0.9) ? ',' : ''));
  }
  return Buffer.concat(parts);
}

function oddValue(random: Random): Buffer {
  switch (random.below(4)) {
    case 0:
      return oddText(random);
    case 1:
      return Buffer.from(drawBytes(random, random.below(64)).toString('base64'));
    default:
      return Buffer.from(random.pick(VALUES));
  }
}
