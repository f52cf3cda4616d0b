/** What a failed test leaves behind is ended with its file: its processes and listeners would keep the run waiting. */
import { after } from 'node:test';

/** The file's own `after` hooks come later than the one here, and end what is theirs in good order. */
const GRACE_MS = 10_000;

const leftovers = new Set<() => void>();

// Where no test runs, `after` would still write a report.
if (process.argv[1]?.endsWith('.test.ts')) {
  after(() => {
    setTimeout(() => {
      for (const end of leftovers) end();
    }, GRACE_MS).unref();
  });
}

/** Has it ended with the file; returns what takes that back, for when it has ended in good order. */
export function endWithFile(end: () => void): () => void {
  leftovers.add(end);
  return () => leftovers.delete(end);
}
