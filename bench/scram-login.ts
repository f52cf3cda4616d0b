/** A client's part of a login by SCRAM, with the keys of a password made only once: the pooler is what is measured.
 *  PostgreSQL manual, "SASL Authentication". */

import { randomBytes } from 'node:crypto';
import { ScramClientExchange } from '../src/wire/scram-client.js';
import { deriveScramKeys, SCRAM_SHA_256, type ScramKeys, scramNonce } from '../src/wire/scram-verifier.js';
import { ConnectionFailed } from './errors.js';
import { message } from './messages.js';

/** What AuthenticationSASL and its two followers say first. */
const SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;
const CODE_LENGTH = 4;

/** By password, salt and iterations. */
const keysOf = new Map<string, ScramKeys>();

export class ScramLogin {
  private readonly exchange = new ScramClientExchange(scramNonce(randomBytes));

  constructor(
    private readonly password: string,
    private readonly send: (message: Buffer) => void,
  ) {}

  /** Answers the body of an Authentication message. Throws ConnectionFailed for a method that is not expected. */
  answer(body: Buffer): void {
    const code = body.readInt32BE(0);
    const said = new Uint8Array(body.subarray(CODE_LENGTH));
    if (code === SASL) {
      const first = this.exchange.clientFirst();
      const length = Buffer.alloc(4);
      length.writeInt32BE(first.length);
      this.send(message('p', Buffer.concat([Buffer.from(`${SCRAM_SHA_256}\0`), length, first])));
    } else if (code === SASL_CONTINUE) void this.prove(said);
    else if (code === SASL_FINAL) this.exchange.serverFinal(said);
    else if (code !== 0)
      throw new ConnectionFailed(`authentication method ${code}, the benchmark expects trust or SCRAM`);
  }

  private async prove(said: Uint8Array): Promise<void> {
    const { salt, iterations } = this.exchange.serverFirst(said);
    const name = `${this.password} ${Buffer.from(salt).toString('hex')} ${iterations}`;
    const keys = keysOf.get(name) ?? (await deriveScramKeys(this.password, salt, iterations));
    keysOf.set(name, keys);
    this.send(message('p', this.exchange.clientFinal(keys)));
  }
}
