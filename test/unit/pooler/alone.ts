import type { Serials } from '../../../src/pooler/statements.js';

/** The numbers of a pool whose only worker tells nobody. */
export function alone(tellRenewed: Serials['tellRenewed'] = () => undefined): Serials {
  let serial = 0;
  let epoch = 0;
  return {
    nextSerial: () => ++serial,
    get epoch() {
      return epoch;
    },
    beginEpoch: () => {
      epoch = ++serial;
    },
    tellRenewed,
  };
}
