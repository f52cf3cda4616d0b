/** A well-behaved client in the midst of it: it asks questions whose answers only it can expect, compares every message
 *  of the answer, and looks at the session that it is given. */
import {
  bind,
  describePortal,
  execute,
  type Message,
  message,
  parse,
  query,
  startup,
  sync,
  values,
} from '../support/messages.js';
import { WireClient } from '../support/wire-client.js';
import { FuzzFailure } from './failure.js';
import { type ScramSecret, saslInitialResponse } from './scram.js';

/** How long an answer may take while everything else goes on. Milliseconds. */
const ANSWER_MS_MAX = 10_000;
/** What a session says of itself that belongs to nobody. */
const SESSION_SQL = `select current_user || ' ' || session_user || ' ' || current_setting('search_path') || ' '
  || current_setting('statement_timeout') || ' ' || (select count(*) from pg_listening_channels()) || ' '
  || (select count(*) from pg_cursors) || ' '
  || (select count(*) from pg_prepared_statements where name not like 'DOORMAN%')`;

export class ControlClient {
  private readonly name: string;
  private readonly client: WireClient;
  /** Whether a real PostgreSQL is behind it, which can be asked everything. */
  private readonly isReal: boolean;
  private asked = 0;
  private session: string | null = null;

  private constructor(name: string, client: WireClient, isReal: boolean) {
    this.name = name;
    this.client = client;
    this.isReal = isReal;
  }

  /** Throws FuzzFailure when it is not let in. */
  static async login(
    port: number,
    user: string,
    database: string,
    secret: ScramSecret | null,
    isReal: boolean,
  ): Promise<ControlClient> {
    const client = await WireClient.open(port);
    const name = `${user}@${database}`;
    client.send(startup({ user, database }));
    if (secret !== null) {
      await client.next();
      client.send(saslInitialResponse());
      const serverFirst = await client.next();
      client.send(secret.clientFinal(serverFirst?.body.toString('latin1', 4) ?? ''));
    }
    const greeting = await within(client.until('Z', 'E'), `the login of ${name}`);
    if (greeting.at(-1)?.tag !== 'Z') throw new FuzzFailure(`${name} was not let in: ${told(greeting)}`);
    return new ControlClient(name, client, isReal);
  }

  /** Asks something. Throws FuzzFailure when the answer is not right, or does not come. */
  async ask(): Promise<void> {
    const stamp = `stamp ${process.pid} ${++this.asked}`;
    switch (this.isReal ? this.asked % 4 : 0) {
      case 0:
        return this.asks(query(`select '${stamp}'`), 'TDCZ', [stamp], 'I');
      case 1: {
        const batch = [
          parse('', 'select $1::text'),
          bind('', '', [stamp]),
          describePortal(''),
          execute(),
          sync(),
        ];
        return this.asks(Buffer.concat(batch), '12TDCZ', [stamp], 'I');
      }
      case 2:
        await this.asks(query('begin'), 'CZ', [], 'T');
        await this.asks(
          query(`select '${stamp}'; select '${stamp} too'`),
          'TDCTDCZ',
          [stamp, `${stamp} too`],
          'T',
        );
        return this.asks(query('commit'), 'CZ', [], 'I');
      default: {
        this.session ??= await this.first();
        return this.asks(query(SESSION_SQL), 'TDCZ', [this.session], 'I');
      }
    }
  }

  close(): void {
    this.client.close();
  }

  private async first(): Promise<string> {
    const row = (await within(this.client.query(SESSION_SQL), this.name)).find(({ tag }) => tag === 'D');
    const session = row === undefined ? '' : (values(row)[0] ?? '');
    if (!/ "\$user", public \w+ 0 0 0$/.test(session))
      throw new FuzzFailure(`${this.name} got a session that is not clean: ${session}`);
    return session;
  }

  private async asks(bytes: Buffer, tags: string, rows: string[], status: string): Promise<void> {
    this.client.send(bytes);
    const answer = await within(this.client.until('Z'), `${this.name}, asking ${bytes.toString('latin1')}`);
    const got = answer.map(({ tag }) => tag).join('');
    const gotRows = answer.filter(({ tag }) => tag === 'D').map((row) => values(row)[0]);
    const isRight =
      got === tags && gotRows.join() === rows.join() && answer.at(-1)?.body.toString() === status;
    if (!isRight)
      throw new FuzzFailure(
        `${this.name} got a wrong answer to ${bytes.toString('latin1')}: ${told(answer)}`,
      );
  }
}

function told(messages: readonly Message[]): string {
  return messages
    .map(({ tag, body }) => `${tag} ${message(tag, body).toString('latin1', 5, 300)}`)
    .join(' | ');
}

/** Throws FuzzFailure when it takes too long. */
async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new FuzzFailure(`no answer for ${ANSWER_MS_MAX} ms: ${what}`)),
      ANSWER_MS_MAX,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
