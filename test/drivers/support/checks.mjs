/** What the applications on Node have in common: how a check is tried, and the line that is printed for it. */
import { createRequire } from 'node:module';

const TIME_LIMIT_MS = 20_000;

/** A package out of the directory that run.sh was given. */
export const load = createRequire(`${process.argv[2]}/`);

/** Makes the check at hand fail; before the first one, the program. */
let fail = (error) => {
  console.error(error);
  process.exit(1);
};
process.on('uncaughtException', (error) => fail(error));

/** Tries one check and prints its line: it passes when `body` returns, and nothing was thrown outside of it meanwhile.
 *  The next one can be tried in either case. */
export async function check(what, body) {
  let timer;
  const failed = new Promise((_, reject) => {
    fail = reject;
    timer = setTimeout(() => reject(new Error(`no end after ${TIME_LIMIT_MS} ms`)), TIME_LIMIT_MS);
  });
  try {
    await Promise.race([body(), failed]);
    console.log(`ok ${what}`);
  } catch (error) {
    console.log(`not ok ${what}: ${String(error).replace(/\s+/g, ' ').slice(0, 300)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls body(number) for each number below count, all at the same time. */
export async function atOnce(count, body) {
  return Promise.all(Array.from({ length: count }, (_, number) => body(number)));
}

/** The end of the program, also when a connection of a check that failed is still open. */
export function end() {
  process.exit(0);
}
