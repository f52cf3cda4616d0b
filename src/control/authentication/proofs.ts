/** Checks the passwords that clients send in the clear, for the workers that ask: tokens with the keys of the
 *  configuration, others by asking PAM. Each answer says for the log why somebody was refused. */
import type { LoadedConfiguration } from '../../config/load.js';
import { type TokenKeys, userKey } from '../../config/token-keys.js';
import type { ClientProof, ProofRefused, ProofVerdict } from '../../pooler/client-proof.js';
import type { Log } from '../logs.js';
import { PamUnavailable } from './pam-process.js';
import { PamService } from './pam-service.js';
import { TokenRefused } from './token-refused.js';

/** Characters of a name that a token has: a longer one is cut. */
const NAME_LENGTH_MAX = 128;

export class Proofs {
  private readonly log: Log;
  private loaded: LoadedConfiguration;
  /** By name. One that the configuration does not name any more stays, without a process, until the end. */
  private readonly services = new Map<string, PamService>();
  private readonly open = new Map<string, AbortController>();
  private hasWarned = false;

  constructor(loaded: LoadedConfiguration, log: Log) {
    this.loaded = loaded;
    this.log = log;
  }

  /** From now on these keys and services count. Who is connected stays so. */
  reload(loaded: LoadedConfiguration): void {
    this.loaded = loaded;
  }

  /** The verdict on what `worker` asks as `request`. Never throws. */
  async check(worker: number, request: number, proof: ClientProof): Promise<ProofVerdict> {
    this.warnOnce(proof);
    const id = `${worker} ${request}`;
    const controller = new AbortController();
    this.open.set(id, controller);
    try {
      return await this.verdict(proof, controller.signal);
    } catch (error) {
      return refused('unavailable', `it could not be checked: ${error instanceof Error ? error.name : ''}`);
    } finally {
      this.open.delete(id);
    }
  }

  /** Nobody waits for the answer any more. */
  forget(worker: number, request: number): void {
    this.open.get(`${worker} ${request}`)?.abort();
  }

  private verdict(proof: ClientProof, signal: AbortSignal): Promise<ProofVerdict> {
    switch (proof.method) {
      case 'talos':
        return this.talos(proof);
      case 'pam':
        return this.pam(proof, signal);
      case 'jwt':
        return this.jwt(proof);
    }
  }

  private async jwt({ database, user, secret }: ClientProof): Promise<ProofVerdict> {
    const token = textOf(secret);
    if (token === null) return refused('jwt_malformed', 'it is no text');
    const keys = this.keys.ofUsers.get(userKey(database, user)) ?? [];
    try {
      const { userOfToken } = await tokens();
      const named = await userOfToken(token, keys);
      if (named === user) return accepted(user);
      const told = printable(named);
      return refused('jwt_user', `it is of ${told}`, told);
    } catch (error) {
      return refused('jwt_invalid', whyRefused(error));
    }
  }

  private async talos({ database, secret }: ClientProof): Promise<ProofVerdict> {
    if (this.loaded.configuration.general.talos?.databases.includes(database) !== true) {
      return refused('talos', 'the database is not one of general.talos.databases', 'not for this database');
    }
    try {
      const { talosBearer } = await tokens();
      const { role, clientId } = await talosBearer(textOf(secret) ?? '', this.keys.talos, database);
      return accepted(role, printable(clientId));
    } catch (error) {
      return refused('talos', whyRefused(error), 'it is not accepted here');
    }
  }

  private async pam(
    { database, user, address, secret }: ClientProof,
    signal: AbortSignal,
  ): Promise<ProofVerdict> {
    const name = this.serviceOf(database, user);
    if (name === undefined) return refused('password', 'PAM is not asked for this user any more');
    // A directory takes an empty password for an anonymous login. RFC 4513, 5.1.2
    if (secret.length === 0) return refused('password', 'the password is empty');
    const service = this.services.get(name) ?? new PamService(name);
    this.services.set(name, service);
    try {
      const { isAccepted, why } = await service.check({ user, address, password: secret }, signal);
      return isAccepted ? accepted(user) : refused('password', `service ${name}: ${why}`);
    } catch (error) {
      if (!(error instanceof PamUnavailable)) throw error;
      return refused('unavailable', `service ${name}: ${error.message}`);
    }
  }

  private get keys(): TokenKeys {
    return this.loaded.tokenKeys;
  }

  private serviceOf(database: string, user: string): string | undefined {
    const users = this.loaded.configuration.pools[database]?.users ?? [];
    return users.find(({ username }) => username === user)?.auth_pam_service;
  }

  private warnOnce({ database, user, address, isPrivate }: ClientProof): void {
    if (isPrivate || this.hasWarned) return;
    this.hasWarned = true;
    this.log.warn(
      `${user}@${database} from ${address} has sent its password or token in the clear: use TLS (this is said once)`,
    );
  }
}

/** Loaded when the first token comes: few pools have any. */
function tokens(): Promise<typeof import('./tokens.js')> {
  return import('./tokens.js');
}

function accepted(user: string, applicationName = ''): ProofVerdict {
  return { isAccepted: true, user, applicationName };
}

function refused(refusal: ProofRefused['refusal'], why: string, told = ''): ProofVerdict {
  return { isAccepted: false, refusal, why, told };
}

function whyRefused(error: unknown): string {
  if (error instanceof TokenRefused) return error.message;
  throw error;
}

/** null when it is no UTF-8. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** A name that goes into messages, where a zero would end it. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?').slice(0, NAME_LENGTH_MAX);
}
