/** What a RELOAD changes for those who show tokens, and what the log is told. The ways to forge tokens:
 *  test/integration/tokens.test.ts. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import type { LoadedConfiguration } from '../../../../src/config/load.js';
import { configurationSchema } from '../../../../src/config/settings/configuration.js';
import { type TokenKey, userKey } from '../../../../src/config/token-keys.js';
import { Proofs } from '../../../../src/control/authentication/proofs.js';
import { Log } from '../../../../src/control/logs.js';
import type { ClientProof, ProofVerdict } from '../../../../src/pooler/client-proof.js';
import { newSigner, type Signer, token } from '../../../support/token-keys.js';

const before = newSigner('RS256');
const next = newSigner('ES256');
const ALICE = { preferred_username: 'alice' };

function keyOf({ alg, publicKey }: Signer): TokenKey {
  return { key: createPublicKey(publicKey), algorithms: [alg] };
}

/** A configuration in which alice@app, and Talos, have the keys of these. */
function loadedWith(...signers: Signer[]): LoadedConfiguration {
  const keys = signers.map(keyOf);
  return {
    configuration: configurationSchema.parse({ general: { talos: { databases: ['app'] } } }),
    tokenKeys: { ofUsers: new Map([[userKey('app', 'alice'), keys]]), talos: new Map([['k', keys]]) },
    accessRules: null,
    tlsFiles: new Map(),
    files: [],
  };
}

function proofsWith(lines: string[], ...signers: Signer[]): Proofs {
  const log = new Log({ level: 'debug', format: 'text', hasColor: false }, (line) => lines.push(line));
  return new Proofs(loadedWith(...signers), log);
}

function shows(secret: string, more: Partial<ClientProof> = {}): ClientProof {
  const proof = {
    method: 'jwt',
    database: 'app',
    user: 'alice',
    address: '10.0.0.1',
    isPrivate: true,
  } as const;
  return { ...proof, secret: Buffer.from(secret), ...more };
}

async function isAccepted(proofs: Proofs, proof: ClientProof): Promise<boolean> {
  const verdict: ProofVerdict = await proofs.check(0, 1, proof);
  return verdict.isAccepted;
}

test('keys are changed by RELOAD: first both, then the new one alone', async () => {
  const proofs = proofsWith([], before);
  const tokens = [token(before, ALICE), token(next, ALICE)];
  const accepted = (): Promise<boolean[]> =>
    Promise.all(tokens.map((each) => isAccepted(proofs, shows(each))));
  assert.deepEqual(await accepted(), [true, false]);
  proofs.reload(loadedWith(before, next));
  assert.deepEqual(await accepted(), [true, true]);
  proofs.reload(loadedWith(next));
  assert.deepEqual(await accepted(), [false, true]);
});

test('… and so are those of Talos', async () => {
  const proofs = proofsWith([], before);
  const claims = { resource_access: { 'x:app': { roles: ['owner'] } } };
  const tokens = [before, next].map((each) => token(each, claims, { kid: 'k' }));
  const accepted = (): Promise<boolean[]> =>
    Promise.all(tokens.map((each) => isAccepted(proofs, shows(each, { method: 'talos', user: 'talos' }))));
  assert.deepEqual(await accepted(), [true, false]);
  proofs.reload(loadedWith(next));
  assert.deepEqual(await accepted(), [false, true]);
});

test('a user, a database or a service that a RELOAD has taken away lets nobody in', async () => {
  const proofs = proofsWith([], before);
  const secret = token(before, { preferred_username: 'bob' });
  assert.equal(await isAccepted(proofs, shows(secret, { user: 'bob' })), false);
  assert.equal(await isAccepted(proofs, shows(token(before, ALICE), { database: 'other' })), false);
  assert.equal(await isAccepted(proofs, shows('x', { method: 'pam' })), false);
});

test('two files with the same algorithm are both tried', async () => {
  const proofs = proofsWith([], newSigner('RS256'), before);
  assert.equal(await isAccepted(proofs, shows(token(before, ALICE))), true);
  const verdict = await proofs.check(0, 1, shows(token(newSigner('RS256'), ALICE)));
  assert.ok(!verdict.isAccepted);
  assert.equal(verdict.why, 'none of the keys has signed it (2 tried)');
});

test('what is sent in the clear is warned of once, and never shown', async () => {
  const lines: string[] = [];
  const proofs = proofsWith(lines, before);
  const secret = token(before, ALICE);
  await isAccepted(proofs, shows(secret));
  assert.deepEqual(lines, []);
  await isAccepted(proofs, shows(secret, { isPrivate: false }));
  await isAccepted(proofs, shows(secret, { isPrivate: false }));
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /alice@app from 10\.0\.0\.1 .* in the clear/);
});
