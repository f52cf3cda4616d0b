/** pg_doorman generate where it needs no PostgreSQL, and the other commands: files, formats, and what is refused. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { COMMAND } from '../../support/doorman.js';

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], cwd?: string): Ended {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [COMMAND, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.ifError(error);
  return { status, stdout, stderr };
}

function directoryFor(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'pg-doorman-generate-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

const reference = (...more: string[]): Ended => run(['generate', '--reference', ...more]);

// ── formats ──────────────────────────────────────────────────────────────────────────────────────────────────────

test('the reference goes to standard output as YAML, and nothing else is said', () => {
  const { status, stdout, stderr } = reference();
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.equal(parseYaml(stdout).general.port, 6432);
});

test('--format says what it is; the ending of the file does without; the option wins', (context) => {
  const directory = directoryFor(context);
  assert.ok('prometheus' in parseToml(reference('--format', 'toml').stdout));
  assert.equal(reference('-f', 'yaml').stdout, reference().stdout);
  const written = (name: string, ...more: string[]): string => {
    assert.equal(reference('--output', join(directory, name), ...more).status, 0);
    return readFileSync(join(directory, name), 'utf8');
  };
  assert.match(written('a.toml'), /^\[general\]$/m);
  assert.match(written('a.yaml'), /^general:$/m);
  assert.match(written('a.yml'), /^general:$/m);
  assert.match(written('b.yaml', '-f', 'toml'), /^\[general\]$/m);
});

test('a file whose name says another format is written, with a word', (context) => {
  const file = join(directoryFor(context), 'a.conf');
  const { status, stderr } = reference('-o', file);
  assert.equal(status, 0);
  assert.match(stderr, /a\.conf holds yaml: pg_doorman wants a name that ends in \.yaml/);
});

test('--no-comments leaves out every remark, --ru and --russian-comments are one', () => {
  assert.doesNotMatch(reference('--no-comments').stdout, /#/);
  assert.match(reference('--ru').stdout, /# Порт, на котором принимаются подключения/);
  assert.equal(reference('--russian-comments').stdout, reference('--ru').stdout);
});

for (const name of ['x.yaml', 'x.toml']) {
  for (const more of [[], ['--ru'], ['--no-comments']]) {
    test(`the reference as ${[name, ...more].join(' ')} is in order`, (context) => {
      const file = join(directoryFor(context), name);
      reference('-o', file, ...more);
      const { status, stderr } = run(['-t', file]);
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    });
  }
}

// ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('only its owner may read what is written, and a former file is kept beside it likewise', (context) => {
  const directory = directoryFor(context);
  const file = join(directory, 'x.yaml');
  writeFileSync(file, 'former: true\n');
  chmodSync(file, 0o644);
  assert.equal(reference('-o', file).status, 0);
  assert.deepEqual(readdirSync(directory).toSorted(), ['x.yaml', 'x.yaml.bak']);
  for (const name of ['x.yaml', 'x.yaml.bak']) {
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  }
  assert.equal(readFileSync(`${file}.bak`, 'utf8'), 'former: true\n');
  assert.equal(reference('-o', file).status, 0);
  assert.match(readFileSync(`${file}.bak`, 'utf8'), /Reference configuration/);
});

test('a symbolic link stays one: what it leads to is replaced', (context) => {
  const directory = directoryFor(context);
  writeFileSync(join(directory, 'real.yaml'), '');
  symlinkSync('real.yaml', join(directory, 'link.yaml'));
  assert.equal(reference('-o', join(directory, 'link.yaml')).status, 0);
  assert.ok(lstatSync(join(directory, 'link.yaml')).isSymbolicLink());
  assert.match(readFileSync(join(directory, 'real.yaml'), 'utf8'), /Reference configuration/);
});

test('a link that leads nowhere is refused rather than replaced', (context) => {
  const directory = directoryFor(context);
  symlinkSync('nowhere/real.yaml', join(directory, 'link.yaml'));
  const { status } = reference('-o', join(directory, 'link.yaml'));
  assert.equal(status, 1);
  assert.ok(lstatSync(join(directory, 'link.yaml')).isSymbolicLink());
});

test('a device is written to, not replaced', () => {
  const toPipe = [
    '-c',
    '"$0" "$@" | cat',
    process.execPath,
    COMMAND,
    'generate',
    '--reference',
    '-o',
    '/dev/stdout',
  ];
  assert.match(
    spawnSync('sh', toPipe, { encoding: 'utf8', timeout: 30_000 }).stdout,
    /Reference configuration/,
  );
  assert.equal(reference('-o', '/dev/null').status, 0);
  assert.ok(statSync('/dev/null').isCharacterDevice());
});

test('a place that cannot be written to is named, and nothing is left there', (context) => {
  const directory = directoryFor(context);
  const nowhere = join(directory, 'none', 'x.yaml');
  const { status, stdout, stderr } = reference('-o', nowhere);
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
  assert.match(stderr, new RegExp(`error: ${nowhere} cannot be written \\(ENOENT\\)$`, 'm'));
  assert.equal(reference('-o', directory).status, 1);
  assert.deepEqual(readdirSync(directory), []);
});

// ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('config-schema prints the JSON Schema', () => {
  const { status, stdout, stderr } = run(['config-schema']);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  const schema: { properties: { general: { properties: Record<string, unknown> } } } = JSON.parse(stdout);
  assert.ok('port' in schema.properties.general.properties);
});

test('help names the commands, and help of a command its options', () => {
  const { stdout } = run(['help']);
  for (const name of ['generate', 'config-schema', 'help'])
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
  assert.equal(run(['--help']).stdout, stdout);
  const { stdout: ofGenerate } = run(['help', 'generate']);
  const documented = [
    ...['--host', '--port', '-p', '--user', '-u', '--password', '--database', '-d', '--ssl', '--pool-size'],
    ...['--session-pool-mode', '-s', '--output', '-o', '--server-host', '--no-comments', '--reference'],
    ...[
      '--russian-comments',
      '--ru',
      '--format',
      '-f',
      'PGHOST',
      'PGPORT',
      'PGUSER',
      'PGPASSWORD',
      'PGDATABASE',
    ],
  ];
  for (const each of documented) assert.ok(ofGenerate.includes(each), each);
  assert.equal(run(['generate', '--help']).stdout, ofGenerate);
});

test('options before a command are those of pg_doorman, behind it those of the command', () => {
  assert.equal(run(['-l', 'debug', 'generate', '--reference', '-f', 'toml']).status, 0);
  assert.equal(run(['-d', 'config-schema']).status, 0);
});

test('a file may be called as a command is, with its directory before it', (context) => {
  const directory = directoryFor(context);
  const { status, stderr } = run(['-t', './generate'], directory);
  assert.equal(status, 1);
  assert.match(stderr, /\.\/generate: configuration file not found/);
});

const MISUSES: readonly [string, readonly string[], RegExp][] = [
  ['a misspelt command', ['generat'], /neither a command nor a file generat; did you mean generate\?/],
  ['an unknown option', ['generate', '--hots', 'x'], /--hots/],
  ['a pool size that is no number', ['generate', '--pool-size', 'many'], /many.*whole number from 1/],
  ['a pool size of 0', ['generate', '--pool-size', '0'], /whole number from 1/],
  ['a port that is none', ['generate', '-p', '70000'], /70000.*to 65535/],
  ['an unknown format', ['generate', '-f', 'json'], /json.*yaml, toml/],
  ['an argument too many', ['generate', 'x.yaml'], /arguments/],
  ['two sources', ['generate', '--reference', '--from-pgbouncer', 'x'], /cannot be used with/],
  ['an option without its value', ['generate', '--host'], /--host <HOST>/],
];
for (const [what, args, complaint] of MISUSES) {
  test(`${what} is refused with status 2 and a word on standard error`, (context) => {
    const directory = directoryFor(context);
    const { status, stdout, stderr } = run(args, directory);
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' });
    assert.match(stderr, complaint);
    assert.ok(!existsSync(join(directory, 'x.yaml')));
  });
}

test('a pgbouncer.ini that is not there is told in one line', () => {
  const { status, stdout, stderr } = run(['generate', '--from-pgbouncer', '/nowhere/pgbouncer.ini']);
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
  assert.equal(stderr, 'pg_doorman: error: /nowhere/pgbouncer.ini cannot be read (ENOENT)\n');
});
