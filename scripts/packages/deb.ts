/** Makes a .deb of the single executable, the units of systemd, examples and manual pages: deb(5), Debian Policy. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { program } from '../../src/cli/options.js';
import { proxyProgram } from '../../src/cli/proxy-options.js';
import { Subcommands } from '../../src/cli/subcommands.js';
import { EXECUTABLE, LICENCES, OTHER_NAME } from './executable.js';
import { manPage } from './man-page.js';
import { run } from './run.js';

const NAME = 'pg-doorman';
const DOCUMENTS = `usr/share/doc/${NAME}`;
const SOURCES = 'packaging/deb';
const CONFIGURATION = 'etc/pg_doorman';
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
const MANUAL = [
  'docs/admin-console.md',
  'docs/generate.md',
  'docs/logs-and-signals.md',
  'docs/metrics.md',
  'docs/patroni-proxy.md',
  'docs/reference/configuration.md',
  'docs/upgrade.md',
];

/** `executables`: the directory that buildExecutable has filled. Returns the file's name. */
export function buildDeb(executables: string, directory: string, version: string): string {
  // What comes before a release is written with a ~; -1 is the first package of a version.
  const debianVersion = `${version.replace('-', '~')}-1`;
  const architecture = run('dpkg', '--print-architecture').trim();
  const file = join(directory, `${NAME}_${debianVersion}_${architecture}.deb`);
  process.umask(0o022); // for all that is packed
  const root = mkdtempSync(join(tmpdir(), 'pg-doorman-deb-'));
  try {
    const tree = new Tree(root);
    fill(tree, executables, debianVersion);
    chmodSync(root, 0o755);
    chmodSync(join(root, CONFIGURATION), 0o750); // its files have passwords
    const control = readFileSync(`${SOURCES}/control`, 'utf8')
      .replace('@VERSION@', debianVersion)
      .replace('@ARCHITECTURE@', architecture)
      .replace('@MAINTAINER@', maintainer())
      .replace('@INSTALLED_SIZE@', String(Math.ceil(tree.bytes / 1024)));
    tree.describe(control);
    // gzip: xz takes a minute of a processor for a package that is a third smaller.
    run('dpkg-deb', '--root-owner-group', '-Zgzip', '-z6', '--build', root, file);
  } finally {
    rmSync(root, { recursive: true });
  }
  return file;
}

function fill(tree: Tree, executables: string, version: string): void {
  tree.add(`usr/bin/${EXECUTABLE}`, readFileSync(join(executables, EXECUTABLE)), 0o755);
  symlinkSync(EXECUTABLE, join(tree.root, 'usr/bin', OTHER_NAME));
  for (const command of [program({}, new Subcommands()), proxyProgram({})]) {
    const name = command.name();
    tree.add(`usr/lib/systemd/system/${name}.service`, readFileSync(`packaging/systemd/${name}.service`));
    tree.add(`${CONFIGURATION}/${name}.yaml`, readFileSync(`${SOURCES}/${name}.yaml`), 0o640);
    tree.addCompressed(
      `usr/share/man/man1/${name}.1`,
      manPage(command, readFileSync(`${SOURCES}/${name}.1`, 'utf8')),
    );
  }
  tree.add(`${DOCUMENTS}/copyright`, readFileSync(join(executables, LICENCES)));
  tree.add(`usr/share/lintian/overrides/${NAME}`, readFileSync(`${SOURCES}/lintian-overrides`));
  tree.addCompressed(`${DOCUMENTS}/changelog`, readFileSync('CHANGELOG.md'));
  tree.addCompressed(`${DOCUMENTS}/changelog.Debian`, debianChangelog(version));
  for (const page of MANUAL) tree.addCompressed(`${DOCUMENTS}/${basename(page)}`, readFileSync(page));
}

/** Who packages says so as everywhere in Debian: DEBFULLNAME and DEBEMAIL. */
function maintainer(): string {
  const { DEBFULLNAME = 'the pg_doorman authors', DEBEMAIL = 'pg-doorman@localhost' } = process.env;
  return `${DEBFULLNAME} <${DEBEMAIL}>`;
}

function debianChangelog(version: string): string {
  const { SOURCE_DATE_EPOCH } = process.env;
  const date = SOURCE_DATE_EPOCH === undefined ? new Date() : new Date(Number(SOURCE_DATE_EPOCH) * 1000);
  const day = date.toUTCString().replace('GMT', '+0000');
  return `${NAME} (${version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- ${maintainer()}  ${day}\n`;
}

/** What dpkg-deb packs: the files of the package, and what is said about them. */
class Tree {
  readonly root: string;
  bytes = 0;
  private readonly sums: string[] = [];

  constructor(root: string) {
    this.root = root;
  }

  add(path: string, content: Uint8Array | string, mode = 0o644): void {
    this.write(path, content, mode);
    this.bytes += content.length;
    this.sums.push(`${createHash('md5').update(content).digest('hex')}  ${path}\n`);
  }

  addCompressed(path: string, content: Uint8Array | string): void {
    this.add(`${path}.gz`, gzipSync(content, { level: 9 }));
  }

  /** Writes the part that dpkg reads itself. */
  describe(control: string): void {
    this.write('DEBIAN/control', control, 0o644);
    const isConfiguration = (line: string): boolean => line.includes(`  ${CONFIGURATION}/`);
    const conffiles = this.sums.filter(isConfiguration).map((line) => line.replace(/^\S+ {2}/, '/'));
    this.write('DEBIAN/conffiles', conffiles.join(''), 0o644);
    this.write('DEBIAN/md5sums', this.sums.filter((line) => !isConfiguration(line)).join(''), 0o644);
    for (const name of SCRIPTS) this.write(`DEBIAN/${name}`, readFileSync(`${SOURCES}/${name}`), 0o755);
  }

  private write(path: string, content: Uint8Array | string, mode: number): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode });
  }
}
