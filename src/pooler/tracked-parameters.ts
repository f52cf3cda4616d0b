/** The parameters of a session that a client takes along from server to server with sync_server_parameters: what it
 *  has asked for in its startup packet or by SET, as PostgreSQL reports it in ParameterStatus. */

const TRACKED = [
  'client_encoding',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'standard_conforming_strings',
  'application_name',
];

const indexOf = new Map(TRACKED.map((name, index) => [name.toLowerCase(), index]));

/** The name as PostgreSQL reports it, whatever its case here; undefined for a parameter that is not tracked. */
export function trackedName(name: string): string | undefined {
  return TRACKED[indexOf.get(name.toLowerCase()) ?? -1];
}

/** A value of a client's startup packet as PostgreSQL would report it, by what a server reports: drivers compare it.
 *  What the server has another value of is left as it is. */
export function spelledAs(name: string, value: string, servers: string | undefined): string {
  if (servers === undefined) return value;
  const [clients, known] = [value, servers].map((each) => each.toLowerCase());
  if (clients === known) return servers;
  switch (name) {
    case 'client_encoding': {
      // PostgreSQL looks at letters and digits only.
      const encoding = value.toLowerCase().replace(/[^a-z0-9]/g, '');
      if (encoding === 'unicode') return 'UTF8';
      return encoding === servers.toLowerCase().replace(/[^a-z0-9]/g, '') ? servers : value;
    }
    case 'DateStyle': // the order of the fields need not be said
      return servers.toLowerCase().startsWith(`${clients},`) ? servers : value;
    default:
      return value;
  }
}

export class TrackedParameters {
  /** By the index of the name; null is not known. */
  private values: (string | null)[] = TRACKED.map(() => null);

  /** Does nothing for a parameter that is not tracked. */
  set(name: string, value: string): void {
    const index = indexOf.get(name.toLowerCase());
    if (index !== undefined) this.values[index] = value;
  }

  /** Takes over what the other knows. */
  adopt(other: TrackedParameters): void {
    this.values = this.values.map((value, index) => other.values[index] ?? value);
  }

  /** Every value, in an order that is always the same. */
  all(): readonly (string | null)[] {
    return this.values;
  }

  /** Values as `all` gave them. */
  setAll(values: readonly (string | null)[]): void {
    this.values = [...values];
  }

  /** The commands that bring a session with the other's values to these; '' when there is nothing to do. */
  commandsFrom(other: TrackedParameters): string {
    let commands = '';
    for (let i = 0; i < TRACKED.length; i++) {
      const value = this.values[i];
      if (value == null || value === other.values[i]) continue;
      commands += `SET ${TRACKED[i]} TO ${literal(value)};`;
    }
    return commands;
  }
}

/** A literal that means the same whatever standard_conforming_strings says. PostgreSQL manual, "String Constants with
 *  C-Style Escapes". */
function literal(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
