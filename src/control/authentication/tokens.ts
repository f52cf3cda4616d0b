/** What a token says, once its signature and its time are in order: JSON Web Tokens of users, and those of Talos, which
 *  say themselves which role their bearer has. RFC 7519; `alg` is the key's choice and never the token's. */
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import type { TokenKey } from '../../config/token-keys.js';
import { TokenRefused } from './token-refused.js';

/** What is in a token that one of the keys has signed and whose time it is. Throws TokenRefused. */
async function claimsOf(token: string, keys: readonly TokenKey[]): Promise<JWTPayload> {
  const { alg } = headerOf(token);
  const fitting = keys.filter(({ algorithms }) => alg !== undefined && algorithms.includes(alg));
  if (fitting.length === 0) throw new TokenRefused(`its alg (${shown(alg)}) does not fit the key`);
  for (const { key, algorithms } of fitting) {
    try {
      const options = { algorithms: [...algorithms], requiredClaims: ['exp'] };
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw new TokenRefused(error.message);
    }
  }
  throw new TokenRefused(`none of the keys has signed it (${fitting.length} tried)`);
}

/** The user whom a token names. Throws TokenRefused. */
export async function userOfToken(token: string, keys: readonly TokenKey[]): Promise<string> {
  const { preferred_username: user } = await claimsOf(token, keys);
  if (typeof user !== 'string') throw new TokenRefused('it has no preferred_username');
  return user;
}

interface TalosBearer {
  /** The highest role that the token gives in the database. */
  readonly role: TalosRole;
  /** '' when the token names none. */
  readonly clientId: string;
}

/** The highest one first. */
const TALOS_ROLES = ['owner', 'read_write', 'read_only'] as const;
type TalosRole = (typeof TALOS_ROLES)[number];

const talosClaims = z.object({
  resource_access: z.record(z.string(), z.object({ roles: z.array(z.string()).default([]) })),
  clientId: z.string().default(''),
});

/** Throws TokenRefused. */
export async function talosBearer(
  token: string,
  keys: ReadonlyMap<string, readonly TokenKey[]>,
  database: string,
): Promise<TalosBearer> {
  const { kid } = headerOf(token);
  const named = typeof kid === 'string' ? keys.get(kid) : undefined;
  if (named === undefined) throw new TokenRefused('its kid names none of general.talos.keys');
  const claims = talosClaims.safeParse(await claimsOf(token, named));
  if (!claims.success) throw new TokenRefused('its resource_access or clientId is not as Talos makes them');
  const { resource_access, clientId } = claims.data;
  const given = Object.entries(resource_access)
    .filter(([resource]) => databaseOf(resource) === database)
    .flatMap(([, { roles }]) => roles);
  const role = TALOS_ROLES.find((each) => given.includes(each));
  if (role === undefined) throw new TokenRefused(`it gives no role in ${database}`);
  return { role, clientId };
}

/** anything:DATABASE; '' when it is not of this form. */
function databaseOf(resource: string): string {
  const colon = resource.lastIndexOf(':');
  return colon < 0 ? '' : resource.slice(colon + 1);
}

function headerOf(token: string): { readonly alg?: string; readonly kid?: unknown } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    throw new TokenRefused('it is no JSON Web Token');
  }
}

/** What a stranger sent, as far as it can be an algorithm's name. */
function shown(alg: unknown): string {
  return typeof alg === 'string' && /^[\w.-]{1,20}$/.test(alg) ? alg : 'none of the known';
}
