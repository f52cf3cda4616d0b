/** Half of what a small process has in memory are pages of the node executable that only starting, logins and V8's
 *  compiler needed: they are given back once no more of them come. What is needed again comes back by itself, from the
 *  page cache. */
import { readFileSync } from 'node:fs';
import { forgetPages } from '../reactor/libc.js';

/** The executable, or the library that some systems build it as. Nothing of them is loaded or changed later on. */
const NODE = /\/libnode\.so[^/]*$/;
/** Of a private mapping that is only read or run: its addresses and its file. proc_pid_smaps(5). */
const UNWRITABLE = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \S+ +(\/.+)$/m;
/** No page of it differs from the file. */
const UNCHANGED = /^Anonymous: +0 kB$/m;
/** What is in use comes back within this time. */
const LOOK_EVERY_MS = 1000;
/** So many more than are in use are worth the milliseconds: 4 MB. */
const PAGES_MANY = 1024;

export class ExecutablePages {
  /** Of files, a second ago. */
  private before = 0;
  /** … in use; 0: not known yet. */
  private inUse = 0;

  /** To be called when the process serves. */
  begin(): void {
    forgetUnchanged();
    setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  private look(): void {
    const now = pagesOfFiles();
    if (this.inUse === 0) this.inUse = now;
    else if (now === this.before && now >= this.inUse + PAGES_MANY) {
      forgetUnchanged();
      this.inUse = 0;
    }
    this.before = now;
  }
}

/** That are resident; 0 where /proc is hidden. proc_pid_statm(5). */
function pagesOfFiles(): number {
  return Number(contentOf('/proc/self/statm').split(' ')[2] ?? 0);
}

function forgetUnchanged(): void {
  for (const area of contentOf('/proc/self/smaps').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [, begin = '', end = '', file = ''] = UNWRITABLE.exec(area) ?? [];
    if ((file !== process.execPath && !NODE.test(file)) || !UNCHANGED.test(area)) continue;
    const address = Number.parseInt(begin, 16);
    forgetPages({ address, length: Number.parseInt(end, 16) - address });
  }
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
