/** Why a server connection is closed: the word in the log and in metrics. */
const CLOSE_REASONS = [
  'cancelled', // a CancelRequest may still be on its way to it
  'cleanup_failed',
  'client_lost', // in the middle of a message or of COPY
  'connect_failed',
  'connect_timeout',
  'idle_timeout',
  'liveness_check_failed',
  'login_failed',
  'pool_closed', // it is not configured any more
  'pool_shrunk', // there are more than pool_size since that was made smaller
  'protocol_violation',
  'reloaded', // it was opened with settings that have changed
  'server_closed',
  'server_fatal', // PostgreSQL said why before it closed
  'server_lifetime',
  'shutdown',
] as const;

export type CloseReason = (typeof CLOSE_REASONS)[number];
