/** What a failed test leaves behind is ended with its file: its processes and listeners would keep the run waiting. */
import { after } from 'node:test';

const leftovers = new Set<() => void>();

after(() => {
  for (const end of leftovers) end();
});

/** Has it ended with the file; returns what takes that back, for when it has ended in good order. */
export function endWithFile(end: () => void): () => void {
  leftovers.add(end);
  return () => leftovers.delete(end);
}
