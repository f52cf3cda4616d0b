/** Half of what a small process has in memory are pages of the node executable that only starting needed: they are given
 *  back. What is needed again comes back by itself, from the page cache. */
import { readFileSync } from 'node:fs';
import { forgetPages } from '../reactor/libc.js';

/** The executable, or the library that some systems build it as. Nothing of them is loaded or changed later on. */
const NODE = /\/libnode\.so[^/]*$/;
/** Of a private mapping that is only read or run: its addresses and its file. proc_pid_smaps(5). */
const UNWRITABLE = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \S+ +(\/.+)$/m;
/** No page of it differs from the file. */
const UNCHANGED = /^Anonymous: +0 kB$/m;

/** To be called when the process serves. */
export function forgetStartupPages(): void {
  for (const area of areasOfMemory()) {
    const [, begin = '', end = '', file = ''] = UNWRITABLE.exec(area) ?? [];
    if ((file !== process.execPath && !NODE.test(file)) || !UNCHANGED.test(area)) continue;
    const address = Number.parseInt(begin, 16);
    forgetPages({ address, length: Number.parseInt(end, 16) - address });
  }
}

/** Each with its lines; none where /proc is hidden. */
function areasOfMemory(): string[] {
  try {
    return readFileSync('/proc/self/smaps', 'latin1').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  } catch {
    return [];
  }
}
