/** Chooses the reactor: io_uring where the kernel allows it, else epoll, and says why. */
import { openWakeFd } from './base-reactor.js';
import type { Descriptors } from './descriptors.js';
import { EpollReactor } from './epoll/epoll-reactor.js';
import type { Reactor } from './reactor.js';
import { SETUPS, UringUnavailable } from './uring/ring.js';
import { UringReactor } from './uring/uring-reactor.js';

/** Opens the reactor that was asked for. `why` is for the log. Throws UringUnavailable when io_uring was asked for
 *  by name and is not to be had. wakeFd: what others wake it by. descriptors: where it
 *  says which are its own. */
export function openReactor(
  wanted: 'auto' | 'io_uring' | 'epoll',
  wakeFd = openWakeFd(),
  descriptors: Descriptors | null = null,
): { reactor: Reactor; why: string } {
  const openEpoll = (why: string) => {
    const reactor = new EpollReactor(wakeFd, descriptors);
    const { withoutBatches } = reactor;
    return { reactor, why: withoutBatches === '' ? why : `${why}; without AIO (${withoutBatches})` };
  };
  if (wanted === 'epoll') return openEpoll('io_backend is epoll');
  let reason = '';
  for (const setup of SETUPS) {
    try {
      const reactor = new UringReactor(setup.flags, wakeFd, descriptors);
      return { reactor, why: setup.missing === '' ? 'all of it is there' : `without ${setup.missing}` };
    } catch (error) {
      if (!(error instanceof UringUnavailable)) throw error;
      reason = error.message;
    }
  }
  if (wanted === 'io_uring') {
    throw new UringUnavailable(
      `io_backend is io_uring, but it cannot be used here (${reason}); auto or epoll would work`,
    );
  }
  return openEpoll(`io_uring cannot be used here (${reason})`);
}
