/** What a process that takes another's place has from it. */
import { isDeepStrictEqual } from 'node:util';
import { close, closeOnExec, type Fd } from '../../reactor/libc.js';
import type { ListeningSocket, SocketAddress } from '../../reactor/reactor.js';
import type { Begin } from './process-messages.js';

/** Where the new program finds what it is given: behind the standard streams, in this order. Nothing else is inherited:
 *  every other descriptor closes on exec. */
const LISTENING_FD = 3;
export const PIPE_FD = 4;
const CHANNEL_FD = 5;

/** Between the ids of the process before and those here there is room for the clients that log in there to the last. */
const IDS_BETWEEN = 65_536;

export interface Heritage {
  readonly statementKey: Uint8Array;
  /** Clients that move keep the cancel keys that they know. */
  readonly cancelSigningKey: Uint8Array;
  readonly lastIds: readonly [number, number];
  /** The socket that listens at this address; null when that was another address. To be asked once. */
  listeningAt(address: SocketAddress): ListeningSocket | null;
}

/** The descriptors that were given to this process are not given to the programs that it starts. */
export function keepDescriptors(): void {
  for (const fd of [LISTENING_FD, PIPE_FD, CHANNEL_FD]) closeOnExec(fd as Fd);
}

export function heritageFrom({ statementKey, cancelSigningKey, lastIds, listening }: Begin): Heritage {
  const [client, server] = lastIds;
  return {
    statementKey,
    cancelSigningKey,
    lastIds: [client + IDS_BETWEEN, server + IDS_BETWEEN],
    listeningAt: (address) => {
      if (isDeepStrictEqual(address, listening.address)) return { ...listening, fd: LISTENING_FD };
      close(LISTENING_FD as Fd);
      return null;
    },
  };
}
