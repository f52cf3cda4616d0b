/** Settings that are understood and checked, and whose feature is not built yet. An operator is told of each one in
 *  the file, once, at start. The list is to become empty; then this file goes. */

const GENERAL = ['daemon_pid_file', 'syslog_prog_name', 'clock_resolution_statistics'];

/** The fields of this kind that stand in a configuration as it was read. */
export function notInForce(data: unknown): string[] {
  const general = tableAt(data, 'general');
  const fields = present(general, GENERAL, 'general.');
  if (tableAt(data, 'prometheus').enabled === true) fields.push('prometheus.enabled');
  return fields;
}

function present(table: unknown, names: readonly string[], prefix: string): string[] {
  if (typeof table !== 'object' || table === null) return [];
  return names.filter((name) => name in table).map((name) => `${prefix}${name}`);
}

function tableAt(data: unknown, key: string): Record<string, unknown> {
  if (typeof data !== 'object' || data === null) return {};
  const value: unknown = Reflect.get(data, key);
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
