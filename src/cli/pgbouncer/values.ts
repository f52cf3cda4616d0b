/** Values of pgbouncer.ini as values of ours. null: it is none of that kind. */
import { durationText } from '../../config/units.js';

const YES = ['1', 'yes', 'true', 'on'];
const NO = ['0', 'no', 'false', 'off'];

export function booleanOf(text: string): boolean | null {
  const word = text.toLowerCase();
  if (YES.includes(word)) return true;
  return NO.includes(word) ? false : null;
}

export function integerOf(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** Seconds, with decimals. */
export function secondsOf(text: string): string | number | null {
  if (!/^\d+(\.\d+)?$/.test(text)) return null;
  const milliseconds = Math.round(Number(text) * 1000);
  return milliseconds === 0 ? 0 : durationText(milliseconds);
}

/** Milliseconds as whole seconds, none of them lost. */
export function wholeSecondsOf(text: string): number | null {
  const milliseconds = integerOf(text);
  return milliseconds === null ? null : Math.ceil(milliseconds / 1000);
}
