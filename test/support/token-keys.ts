/** Keys and tokens as an identity provider makes them, and as those who have none forge them. RFC 7519. */
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto';
import type { TokenKeys } from '../../src/config/token-keys.js';

/** Keys of a configuration in which nobody shows tokens. */
export const NO_TOKEN_KEYS: TokenKeys = { ofUsers: new Map(), talos: new Map() };

export type Claims = Record<string, unknown>;

export interface Signer {
  readonly alg: string;
  /** PEM. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function newSigner(alg: 'RS256' | 'ES256' | 'EdDSA'): Signer {
  const { publicKey, privateKey } = newPair(alg);
  return { alg, privateKey, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}

function newPair(alg: 'RS256' | 'ES256' | 'EdDSA'): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (alg) {
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
  }
}

/** Seconds since 1970, so many from now. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

/** A token with exp in an hour unless the claims say otherwise; `header` is added to alg. */
export function token({ alg, privateKey }: Signer, claims: Claims, header: Claims = {}): string {
  const text = signed({ alg, typ: 'JWT', ...header }, { exp: inSeconds(3600), ...claims });
  return `${text}.${signature(alg, text, privateKey).toString('base64url')}`;
}

function signature(alg: string, text: string, key: KeyObject): Buffer {
  const bytes = Buffer.from(text);
  switch (alg) {
    case 'RS256':
      return signBytes('sha256', bytes, { key, padding: constants.RSA_PKCS1_PADDING });
    case 'ES256':
      return signBytes('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' });
    default:
      return signBytes(null, bytes, key);
  }
}

/** HS256, with any bytes as the key: such as a public key, which everybody may know. */
export function hmacToken(key: string | Buffer, claims: Claims, header: Claims = {}): string {
  const text = signed({ alg: 'HS256', typ: 'JWT', ...header }, { exp: inSeconds(3600), ...claims });
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

/** Not signed at all. */
export function unsignedToken(alg: string, claims: Claims): string {
  return `${signed({ alg, typ: 'JWT' }, { exp: inSeconds(3600), ...claims })}.`;
}

function signed(header: Claims, claims: Claims): string {
  return [header, claims].map((each) => Buffer.from(JSON.stringify(each)).toString('base64url')).join('.');
}
