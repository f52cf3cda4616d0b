/** What SIGINT means. 3.3.1 documentation, "Legacy SIGINT behavior". */

/** Whether it is from somebody at a terminal, or there is nothing that could go on: the process is to end. Otherwise it
 *  is the older way to ask for an upgrade. */
export function interruptEnds(pid: number, streams: readonly { readonly isTTY?: boolean }[]): boolean {
  return pid === INIT || streams.some(({ isTTY }) => isTTY === true);
}

/** A container's first process: the container ends with it, so that no other can take its place. */
export const INIT = 1;
