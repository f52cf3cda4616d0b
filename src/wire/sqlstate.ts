/** The SQLSTATEs that the pooler itself sends, by PostgreSQL's condition names.
 *  PostgreSQL manual, Appendix A "PostgreSQL Error Codes". */
export const SQLSTATE = {
  successful_completion: '00000',
  warning: '01000',
  connection_failure: '08006',
  protocol_violation: '08P01',
  feature_not_supported: '0A000',
  invalid_sql_statement_name: '26000',
  invalid_authorization_specification: '28000',
  invalid_password: '28P01',
  invalid_catalog_name: '3D000',
  insufficient_resources: '53000',
  out_of_memory: '53200',
  too_many_connections: '53300',
  query_canceled: '57014',
  system_error: '58000',
  config_file_error: 'F0000',
  internal_error: 'XX000',
  /** Not in PostgreSQL's table: what clients of PgDoorman know as "this pooler is going away". */
  crash_shutdown: '57P02',
  pooler_shutdown: '58006',
} as const;
