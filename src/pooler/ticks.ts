/** Moments and durations of sessions, in ticks of 1/32 millisecond as 32-bit integers that wrap around: V8 keeps such
 *  a number in the object itself, while a double is a box in another cache line. Durations are right up to 37 hours. */

export const TICKS_PER_MS = 32;
const US_PER_TICK = 1000 / TICKS_PER_MS;

/** The tick of a moment of the reactor's clock. */
export function ticksAt(nowMs: number): number {
  return (nowMs * TICKS_PER_MS) | 0;
}

/** Ticks from one tick to a moment. */
export function ticksSince(tick: number, nowMs: number): number {
  return (ticksAt(nowMs) - tick) >>> 0;
}

/** Milliseconds from a tick to a moment. */
export function msSince(tick: number, nowMs: number): number {
  return ticksSince(tick, nowMs) / TICKS_PER_MS;
}

/** A moment in whole milliseconds, for what may last for weeks. */
export function wholeMsAt(nowMs: number): number {
  return nowMs | 0;
}

/** Milliseconds from such a moment to another, up to 49 days. */
export function wholeMsSince(since: number, nowMs: number): number {
  return ((nowMs | 0) - since) >>> 0;
}

/** Microseconds, as statistics want them. */
export function usOf(ticks: number): number {
  return ticks * US_PER_TICK;
}
