/** The addresses that host names stand for. A name that nobody can look up for a while keeps the address that it had:
 *  PostgreSQL has not gone because a name server does not answer. */
import { lookup } from 'node:dns/promises';

export class HostNames {
  /** Called when a name cannot be looked up any more, and when it can again. */
  onChange: (text: string) => void = () => undefined;
  private readonly lookUp: (host: string) => Promise<{ readonly address: string }>;
  private readonly known = new Map<string, string>();
  private readonly failing = new Set<string>();

  constructor(lookUp: HostNames['lookUp'] = lookup) {
    this.lookUp = lookUp;
  }

  /** The address that a name stands for now, else the last one that it is known to have had; the name itself when there is
   *  none. */
  async addressOf(host: string): Promise<string> {
    try {
      const { address } = await this.lookUp(host);
      this.known.set(host, address);
      if (this.failing.delete(host)) this.onChange(`host name ${host} can be looked up again: ${address}`);
      return address;
    } catch (error) {
      const last = this.known.get(host);
      if (last !== undefined && !this.failing.has(host)) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
        this.onChange(
          `host name ${host} cannot be looked up (${code}): servers are opened at ${last} as before`,
        );
        this.failing.add(host);
      }
      return last ?? host;
    }
  }
}

/** Of this process. */
export const hostNames = new HostNames();
