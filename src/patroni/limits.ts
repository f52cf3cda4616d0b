/** The limits of patroni_proxy that are no settings. Milliseconds and bytes. */

/** One Patroni API has so long for its whole answer. */
export const API_TIMEOUT_MS = 5000;
/** One that failed is left alone for so long, while there are others. */
export const API_PAUSE_MS = 10_000;
/** A cluster of a thousand members takes a third of it. */
export const API_ANSWER_BYTES_MAX = 1024 * 1024;
/** A member that could not be reached gets new clients only when there is no other, for so long. */
export const BACKEND_PAUSE_MS = 2000;
/** So long the ports wait at start for the first answer of Patroni. */
export const FIRST_ANSWER_WAIT_MS = 2000;
/** Connections that may wait to be accepted. The kernel's own limit (somaxconn) is often 4096. */
export const BACKLOG = 4096;
/** Clients without a member are told of in the log so often at most, for each port. */
export const NO_BACKENDS_LOG_PAUSE_MS = 1000;
/** How often a drain looks whether everybody has left. */
export const DRAIN_LOOK_MS = 50;
/** The same after an upgrade, which may be for days. */
export const LEAVE_LOOK_MS = 1000;
