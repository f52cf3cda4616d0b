/** SQLSTATEs that are counted each by itself: those that tell an operator what goes wrong. All others are counted
 *  together, so that no client can make the number of counters grow. PostgreSQL manual, "PostgreSQL Error Codes". */

export const OTHER_SQLSTATES = 'other';

/** The order is that of the counters in shared memory. */
export const COUNTED_SQLSTATES = [
  OTHER_SQLSTATES,
  '08006', // connection_failure
  '08P01', // protocol_violation
  '0A000', // feature_not_supported
  '22001', // string_data_right_truncation
  '22003', // numeric_value_out_of_range
  '22012', // division_by_zero
  '22023', // invalid_parameter_value
  '22P02', // invalid_text_representation
  '23502', // not_null_violation
  '23503', // foreign_key_violation
  '23505', // unique_violation
  '23514', // check_violation
  '25006', // read_only_sql_transaction
  '25P02', // in_failed_sql_transaction
  '25P03', // idle_in_transaction_session_timeout
  '26000', // invalid_sql_statement_name
  '28000', // invalid_authorization_specification
  '28P01', // invalid_password
  '3D000', // invalid_catalog_name
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '42501', // insufficient_privilege
  '42601', // syntax_error
  '42703', // undefined_column
  '42804', // datatype_mismatch
  '42883', // undefined_function
  '42P01', // undefined_table
  '42P05', // duplicate_prepared_statement
  '42P07', // duplicate_table
  '53000', // insufficient_resources
  '53100', // disk_full
  '53200', // out_of_memory
  '53300', // too_many_connections
  '55P03', // lock_not_available
  '57014', // query_canceled
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '58000', // system_error
  '58006', // the pooler goes away
  '58030', // io_error
  'P0001', // raise_exception
  'XX000', // internal_error
  'XX001', // data_corrupted
] as const;

const places = new Map<string, number>(COUNTED_SQLSTATES.map((sqlstate, place) => [sqlstate, place]));

/** The place of its counter. */
export function placeOfSqlstate(sqlstate: string): number {
  return places.get(sqlstate) ?? 0;
}
