/** Clients that stay connected and are lent to one flow at a time. */

interface Member<Client> {
  readonly connect: () => Promise<Client>;
  readonly leave: (client: Client) => void | Promise<void>;
}

export class Crew<Client> {
  private readonly free: Client[] = [];
  private readonly wanted: ((client: Client) => void)[] = [];
  private readonly member: Member<Client>;

  private constructor(member: Member<Client>) {
    this.member = member;
  }

  static async of<Client>(count: number, member: Member<Client>): Promise<Crew<Client>> {
    const crew = new Crew(member);
    for (let i = 0; i < count; i++) crew.free.push(await member.connect());
    return crew;
  }

  /** Lends a client, when one is free, to `use`. One that was in a flow that failed is replaced. */
  async lend<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const client = this.free.pop() ?? (await new Promise<Client>((resolve) => this.wanted.push(resolve)));
    try {
      const result = await use(client);
      this.giveBack(client);
      return result;
    } catch (error) {
      await this.member.leave(client);
      this.giveBack(await this.member.connect());
      throw error;
    }
  }

  /** All must have been given back. */
  async leave(): Promise<void> {
    for (const each of this.free.splice(0)) await this.member.leave(each);
  }

  private giveBack(client: Client): void {
    const next = this.wanted.shift();
    if (next === undefined)
      this.free.unshift(client); // in turn
    else next(client);
  }
}
