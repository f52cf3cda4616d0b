/** Durations and sizes as people write them: 5000, "5s", "0.1ms", "100us"; 1048576, "1MB", "256M".
 *  3.3.1 documentation, "Human-Readable Values". */

const MILLISECONDS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const KIB = 1024;
const BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: KIB,
  kb: KIB,
  m: KIB ** 2,
  mb: KIB ** 2,
  g: KIB ** 3,
  gb: KIB ** 3,
};

/** Milliseconds, whole microseconds of them; null when it is no duration. A plain number is milliseconds. */
export function parseDuration(value: number | string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)?\s*$/.exec(String(value));
  if (match === null) return null;
  const milliseconds = Number(match[1]) * (MILLISECONDS[match[2] ?? 'ms'] ?? Number.NaN);
  return Math.round(milliseconds * 1000) / 1000;
}

/** Bytes, in binary units; null when it is no size. A plain number is bytes. */
export function parseSize(value: number | string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(value));
  if (match === null) return null;
  const unit = BYTES[(match[2] ?? '').toLowerCase()];
  if (unit === undefined) return null;
  const bytes = Number(match[1]) * unit;
  return Number.isInteger(bytes) ? bytes : null;
}

/** A duration as people write it, in the largest unit that it is a whole number of: 90_000 is "90s", 0.1 is "100us". */
export function durationText(milliseconds: number): string {
  const units = Object.entries(MILLISECONDS).toReversed();
  if (milliseconds === 0) return '0';
  for (const [unit, each] of units) {
    const count = each < 1 ? Math.round(milliseconds / each) : milliseconds / each;
    if (Number.isInteger(count)) return `${count}${unit}`;
  }
  return String(milliseconds);
}

/** A size as people write it: 1_048_576 is "1MB". */
export function sizeText(bytes: number): string {
  for (const unit of ['GB', 'MB', 'KB']) {
    const count = bytes / (BYTES[unit.toLowerCase()] ?? 1);
    if (Number.isInteger(count) && count > 0) return `${count}${unit}`;
  }
  return String(bytes);
}
