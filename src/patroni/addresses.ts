/** The IP addresses that members' host names stand for. Patroni usually tells addresses; a name is looked up at every
 *  poll, and keeps the last address that it had while nobody knows it. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

export class Addresses {
  private readonly known = new Map<string, string>();

  /** Looks names up again. */
  async refresh(hosts: readonly string[]): Promise<void> {
    const names = hosts.filter((host) => host !== '' && isIP(host) === 0);
    for (const name of this.known.keys()) if (!names.includes(name)) this.known.delete(name);
    await Promise.all(names.map((name) => this.lookUp(name)));
  }

  /** null when nobody knows. */
  of(host: string): string | null {
    return isIP(host) === 0 ? (this.known.get(host) ?? null) : host;
  }

  private async lookUp(name: string): Promise<void> {
    try {
      this.known.set(name, (await lookup(name)).address);
    } catch {
      // The last address is as good as any; without one the member is excluded, and the log says so.
    }
  }
}
