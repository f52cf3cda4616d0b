/** What stands in StartupMessages that have come lately: an application that connects again and again sends the same one
 *  each time, and comparing it takes a tenth of reading it. Also what is made of one is made once (pool-greeting.ts). */
import { copyOf, equalsAt } from '../wire/bytes.js';
import { readStartupParameters, type StartupParameters } from '../wire/startup.js';

/** So many are known; a further one takes the place of the one that was read first. */
const KNOWN_MAX = 16;
/** A longer one is read each time. Bytes. */
const LENGTH_MAX = 512;

interface KnownStartup {
  readonly bytes: Uint8Array;
  readonly parameters: StartupParameters;
}

export class KnownStartups {
  private readonly known: KnownStartup[] = [];
  private next = 0;

  /** See readStartupParameters. The same object comes for the same bytes, if it is still known. */
  read(bytes: Uint8Array, bodyBegin: number, bodyEnd: number): StartupParameters {
    const length = bodyEnd - bodyBegin;
    for (let i = 0; i < this.known.length; i++) {
      const each = this.known[i];
      if (each?.bytes.length === length && equalsAt(bytes, bodyBegin, each.bytes)) return each.parameters;
    }
    const parameters = readStartupParameters(bytes, bodyBegin, bodyEnd);
    if (length <= LENGTH_MAX) this.keep({ bytes: copyOf(bytes, bodyBegin, bodyEnd), parameters });
    return parameters;
  }

  private keep(startup: KnownStartup): void {
    this.known[this.next] = startup;
    this.next = (this.next + 1) % KNOWN_MAX;
  }
}
