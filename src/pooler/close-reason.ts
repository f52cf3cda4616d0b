/** Why a server connection is closed: the word in the log and in metrics. */
const CLOSE_REASONS = [
  'cancelled', // a CancelRequest may still be on its way to it
  'cleanup_failed',
  'client_lost', // in the middle of a message or of COPY
  'connect_failed',
  'connect_timeout',
  'idle_timeout',
  'killed', // KILL of the console
  'liveness_check_failed',
  'login_failed',
  'paused', // PAUSE of the console
  'pool_closed', // it is not configured any more
  'pool_shrunk', // there are more than pool_size since that was made smaller
  'protocol_violation',
  'reconnect', // RECONNECT of the console
  'reloaded', // it was opened with settings that have changed
  'server_closed',
  'server_fatal', // PostgreSQL said why before it closed
  'server_lifetime',
  'shutdown',
] as const;

export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Reasons that are part of a pool's ordinary life. */
const ORDINARY: ReadonlySet<CloseReason> = new Set([
  'idle_timeout',
  'server_lifetime',
  'shutdown',
  'cancelled',
  'client_lost',
  'pool_closed',
  'pool_shrunk',
  'reloaded',
  'killed',
  'paused',
  'reconnect',
]);

export function isOrdinaryReason(reason: CloseReason): boolean {
  return ORDINARY.has(reason);
}
