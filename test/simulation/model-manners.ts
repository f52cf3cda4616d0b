/** What a pooler must never do to a server: let a client find what another one has left, prepare a statement of its own
 *  that is there, use one that is not. */
import { isPoolersName, type PreparedStatements } from './model-statements.js';

const CLIENT = /^\s*\/\*\s*(c\d+)\s*\*\//;

/** Who asks, by the comment before a text; null if it does not say. */
export function clientOf(sql: string): string | null {
  return CLIENT.exec(sql)?.[1] ?? null;
}

export class Manners {
  private readonly leftovers: () => string[];
  private readonly violation: (what: string) => void;
  private readonly mayServe: (client: string) => boolean;
  private lastClient: string | null = null;

  constructor(
    leftovers: () => string[],
    violation: (what: string) => void,
    mayServe: (client: string) => boolean,
  ) {
    this.leftovers = leftovers;
    this.violation = violation;
    this.mayServe = mayServe;
  }

  /** A message of this client is taken up; of whom it is, is not known when null. */
  speaks(client: string | null): void {
    const last = this.lastClient;
    if (client === null) {
      if (last !== null && this.leftovers().length === 0) this.lastClient = null; // what follows may be another's
      return;
    }
    if (!this.mayServe(client)) this.violation(`${client} is of another pool`);
    this.lastClient = client;
    if (last === null || last === client) return;
    const leftovers = this.leftovers();
    if (leftovers.length > 0)
      this.violation(`${client} finds what ${last} has left: ${leftovers.join(', ')}`);
  }

  parses(name: string, statements: PreparedStatements): void {
    if (isPoolersName(name) && statements.find(name) !== null)
      this.violation(`Parse of ${name}, which is there already`);
  }

  /** Bind or Describe. */
  uses(message: string, name: string, statements: PreparedStatements): void {
    const statement = statements.find(name);
    if (statement === null && isPoolersName(name))
      this.violation(`${message} of ${name}, which is not there`);
    this.speaks(statement?.client ?? null);
  }

  malformed(what: string): void {
    this.violation(`no message of the protocol: ${what}`);
  }
}
