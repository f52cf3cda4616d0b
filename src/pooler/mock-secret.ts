/** For a name that nobody has: a secret of the same kind as a real one's, that nobody can prove. So the exchange goes on
 *  as with a user that exists, and fails at its end. As PostgreSQL's mock authentication. */
import { mockMd5Hash } from '../wire/md5.js';
import { mockVerifier } from '../wire/scram-verifier.js';
import type { ClientSecret } from './settings.js';

/** The same name gets the same secret for as long as the process lives. `key` is random, and the same in all workers. */
export function mockSecret(like: ClientSecret, user: string, key: Uint8Array): ClientSecret {
  switch (like.kind) {
    case 'scram':
      return { kind: 'scram', ...mockVerifier(key, user, like.iterations, like.salt.length) };
    case 'md5':
      return { kind: 'md5', hash: mockMd5Hash(key, user) };
    default:
      return like; // nobody can log in with it
  }
}
