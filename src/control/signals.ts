/** What each signal means. 3.3.1 documentation, "Signal Handling" and "Binary Upgrade Process". SIGHUP and SIGUSR2 are
 *  listened to where their work is done. */
import { isatty } from 'node:tty';

const STDIN = 0;
const STDOUT = 1;

export interface SignalActions {
  /** The end, whatever is going on. */
  stopAtOnce(signal: string): void;
  /** The end, after transactions have had their time. */
  shutDown(signal: string): void;
  /** Another process takes over; null: it is not to be had, and SIGINT is always the end. */
  readonly upgradeInstead: ((signal: string) => void) | null;
  note(text: string): void;
}

/** Listens from now on. `isOnTerminal`: whether Ctrl+C may be what a SIGINT is. */
export function listenToSignals(actions: SignalActions, isOnTerminal = hasTerminal): void {
  let hasInterrupted = false;
  process.on('SIGTERM', () => actions.stopAtOnce('SIGTERM'));
  process.on('SIGINT', () => {
    // Ctrl+C; without a terminal old systemd units mean an upgrade by it.
    if (!isOnTerminal() && actions.upgradeInstead !== null) return actions.upgradeInstead('SIGINT');
    if (hasInterrupted && isOnTerminal()) return actions.stopAtOnce('SIGINT again');
    hasInterrupted = true;
    actions.shutDown('SIGINT');
  });
  // Without a listener Node.js would open a port for a debugger.
  process.on('SIGUSR1', () => actions.note('SIGUSR1 has no meaning here: ignored'));
}

function hasTerminal(): boolean {
  return isatty(STDIN) || isatty(STDOUT);
}
