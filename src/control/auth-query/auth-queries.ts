/** auth_query of all databases: answers the workers' logins, counts how they end, and outlives a RELOAD where nothing
 *  has changed. */
import type { LoginOutcome, ToControl, ToWorker } from '../../pooler/thread-messages.js';
import type { AuthQuerySnapshot } from './counters.js';
import { DatabaseAuthQuery, type DatabaseContext, type DatabaseSettings } from './database-auth-query.js';

interface Context extends DatabaseContext {
  readonly post: (worker: number, message: ToWorker) => void;
}

/** A login for which a user was looked for. */
interface Login {
  readonly database: DatabaseAuthQuery;
  readonly user: string;
  hasRefetched: boolean;
  /** One for each answer. */
  readonly leaves: (() => void)[];
}

export class AuthQueries {
  private readonly context: Context;
  private databases = new Map<string, DatabaseAuthQuery>();
  /** By worker, then by the number of the request. */
  private readonly logins = new Map<number, Map<number, Login>>();

  constructor(context: Context) {
    this.context = context;
  }

  /** What is configured now: at the start, and at each RELOAD. Databases with the same auth_query on the same server
   *  keep their cache, executors, counters and pools. */
  configure(all: readonly DatabaseSettings[]): void {
    const before = this.databases;
    this.databases = new Map(
      all.map((settings) => {
        const kept = before.get(settings.database);
        if (kept?.isOf(settings) !== true) {
          return [settings.database, new DatabaseAuthQuery(settings, this.context)];
        }
        kept.goOnWith(settings);
        return [settings.database, kept];
      }),
    );
    const kept = new Set(this.databases.values());
    for (const each of before.values()) if (!kept.has(each)) each.close();
  }

  async findUser(worker: number, asked: ToControl & { type: 'findUser' }): Promise<void> {
    const { request, user, isRefetch } = asked;
    const database = this.databases.get(asked.database);
    if (database === undefined) {
      return this.context.post(worker, { type: 'userFound', request, answer: { kind: 'none' } });
    }
    const login = this.loginOf(worker, request) ?? { database, user, hasRefetched: false, leaves: [] };
    login.hasRefetched ||= isRefetch;
    this.loginsOf(worker).set(request, login);
    const { answer, leave } = await database.find(user, isRefetch);
    if (this.loginOf(worker, request) !== login) return leave(); // the client has gone, or its worker
    login.leaves.push(leave);
    this.context.post(worker, { type: 'userFound', request, answer });
  }

  loginOver(worker: number, request: number, outcome: LoginOutcome): void {
    const login = this.loginOf(worker, request);
    if (login === undefined) return;
    this.loginsOf(worker).delete(request);
    const { database, user, hasRefetched, leaves } = login;
    for (const leave of leaves) leave();
    if (outcome === 'success') database.succeeded();
    if (outcome === 'wrongPassword') database.refused(user, hasRefetched);
  }

  /** Its logins are over. */
  workerDied(worker: number): void {
    for (const request of [...this.loginsOf(worker).keys()]) this.loginOver(worker, request, 'other');
  }

  /** From time to time. */
  collect(): void {
    for (const each of this.databases.values()) each.collect();
  }

  snapshot(): AuthQuerySnapshot[] {
    return [...this.databases.values()].map((each) => each.snapshot());
  }

  private loginsOf(worker: number): Map<number, Login> {
    const logins = this.logins.get(worker) ?? new Map<number, Login>();
    this.logins.set(worker, logins);
    return logins;
  }

  private loginOf(worker: number, request: number): Login | undefined {
    return this.logins.get(worker)?.get(request);
  }
}
