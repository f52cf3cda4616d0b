/** Asks until something is as it should be. */
import { setTimeout as pause } from 'node:timers/promises';

const STEP_MS = 20;

/** Returns what `look` found when it is right; throws, and shows what was found last, when it has not become so. */
export async function eventually<T>(
  what: string,
  withinMs: number,
  look: () => T | Promise<T>,
  isRight: (found: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (isRight(found)) return found;
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${withinMs} ms; last seen ${JSON.stringify(found)}`);
    await pause(STEP_MS);
  }
}
