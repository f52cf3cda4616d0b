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
const LOOK_EVERY_MS = 1000;
/** What is in use all the time comes back within this time. */
const COMES_BACK_MS = 100;
/** So many more than are in use are worth the milliseconds: 4 MB. */
const PAGES_MANY = 1024;
/** No more than so many in a second are none. */
const PAGES_FEW = 64;

export class ExecutablePages {
  /** Of files, at the last look. */
  private before = 0;
  /** … in use. */
  private inUse = 0;
  private readonly pagesOfFiles: () => number;
  private readonly forgetUnchanged: () => void;

  constructor(pages = pagesOfFiles, forget = forgetUnchanged) {
    this.pagesOfFiles = pages;
    this.forgetUnchanged = forget;
  }

  /** To be called when the process serves. */
  begin(): void {
    this.forget();
    setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  private look(): void {
    const now = this.pagesOfFiles();
    const isCalm = now <= this.before + PAGES_FEW;
    if (isCalm && now >= this.inUse + PAGES_MANY) this.forget();
    this.before = now;
  }

  private forget(): void {
    this.forgetUnchanged();
    setTimeout(() => {
      this.inUse = this.pagesOfFiles();
    }, COMES_BACK_MS).unref();
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
