/** The command line of pg_doorman. 3.3.1 documentation, "Command Line Options". */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { type CommandLine, readCommandLine } from '../../../src/cli/options.js';
import { COMMAND } from '../../support/doorman.js';
import { written } from '../config/files.js';

type Environment = Readonly<Record<string, string>>;

const VARIABLES = ['CONFIG_FILE', 'LOG_LEVEL', 'LOG_FORMAT', 'NO_COLOR', 'DAEMON'];

/** This process's environment, of the command's own variables only those given. */
function environmentWith(given: Environment): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !VARIABLES.includes(name));
  return { ...Object.fromEntries(others), ...given };
}

/** What the command reads from its arguments and environment, with a terminal on standard output or not. */
function read(args: readonly string[], given: Environment = {}, isTerminal = false): CommandLine {
  const { env } = process;
  const terminal = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY');
  process.env = environmentWith(given);
  Object.defineProperty(process.stdout, 'isTTY', { value: isTerminal, configurable: true });
  try {
    return readCommandLine(['node', 'pg_doorman', ...args], process.env);
  } finally {
    process.env = env;
    Reflect.deleteProperty(process.stdout, 'isTTY');
    if (terminal !== undefined) Object.defineProperty(process.stdout, 'isTTY', terminal);
  }
}

test('without arguments it runs in the foreground with pg_doorman.toml and logs from INFO on as text', () => {
  assert.deepEqual(read([]), {
    configFile: 'pg_doorman.toml',
    logLevel: 'info',
    logFormat: 'text',
    hasColor: false,
    isDaemon: false,
    isTest: false,
  });
});

// ── the configuration file ───────────────────────────────────────────────────────────────────────────────────────

test('the file is the first argument, wherever it stands among the options', () => {
  for (const args of [['a.yaml'], ['-t', 'a.yaml'], ['a.yaml', '-t'], ['-l', 'warn', 'a.yaml', '-n']]) {
    assert.equal(read(args).configFile, 'a.yaml', args.join(' '));
  }
});

test('CONFIG_FILE names the file when no argument does', () => {
  const environment = { CONFIG_FILE: '/etc/pg_doorman.yaml' };
  assert.equal(read([], environment).configFile, '/etc/pg_doorman.yaml');
  assert.equal(read(['a.yaml'], environment).configFile, 'a.yaml');
});

// ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────

for (const level of ['error', 'warn', 'info', 'debug'] as const) {
  test(`the log level ${level} is understood in any case, as an argument and as LOG_LEVEL`, () => {
    for (const text of [level, level.toUpperCase()]) {
      assert.equal(read(['-l', text]).logLevel, level);
      assert.equal(read(['--log-level', text]).logLevel, level);
      assert.equal(read([`--log-level=${text}`]).logLevel, level);
      assert.equal(read([], { LOG_LEVEL: text }).logLevel, level);
    }
  });
}

for (const format of ['text', 'structured', 'debug'] as const) {
  test(`the log format ${format} is understood, as an argument and as LOG_FORMAT`, () => {
    assert.equal(read(['-F', format]).logFormat, format);
    assert.equal(read(['--log-format', format]).logFormat, format);
    assert.equal(read([], { LOG_FORMAT: format }).logFormat, format);
  });
}

test('an argument wins over its variable', () => {
  const { logLevel, logFormat } = read(['-l', 'error', '-F', 'debug'], {
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'structured',
  });
  assert.deepEqual({ logLevel, logFormat }, { logLevel: 'error', logFormat: 'debug' });
});

test('there are colors on a terminal only, and none when they were refused', () => {
  const isTerminal = true;
  assert.equal(read([], {}, isTerminal).hasColor, true);
  assert.equal(read([], {}, !isTerminal).hasColor, false);
  for (const option of ['-n', '--no-color']) assert.equal(read([option], {}, isTerminal).hasColor, false);
  assert.equal(read([], { NO_COLOR: '1' }, isTerminal).hasColor, false);
  assert.equal(read([], { NO_COLOR: '' }, isTerminal).hasColor, true); // no-color.org: set and not empty
});

// ── daemon and test ──────────────────────────────────────────────────────────────────────────────────────────────

test('it is a daemon when an option or DAEMON says so', () => {
  for (const option of ['-d', '--daemon']) assert.equal(read([option]).isDaemon, true);
  for (const yes of ['true', '1', 'yes', 'TRUE', 'on'])
    assert.equal(read([], { DAEMON: yes }).isDaemon, true, yes);
});

test('a DAEMON that says no, or nothing, makes no daemon', () => {
  for (const no of ['false', '0', 'no', 'FALSE', 'off', '']) {
    assert.equal(read([], { DAEMON: no }).isDaemon, false, no);
    assert.equal(read(['-d'], { DAEMON: no }).isDaemon, true);
  }
});

test('-t only tests the configuration', () => {
  for (const option of ['-t', '--test-config']) assert.equal(read([option]).isTest, true);
});

test('short options may stand together', () => {
  const { isTest, isDaemon, logLevel } = read(['-tdl', 'warn']);
  assert.deepEqual({ isTest, isDaemon, logLevel }, { isTest: true, isDaemon: true, logLevel: 'warn' });
});

// ── the command itself, where it ends by itself ──────────────────────────────────────────────────────────────────

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], environment: Environment = {}, cwd?: string): Ended {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [COMMAND, ...args], {
    env: environmentWith(environment),
    cwd,
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.ifError(error);
  return { status, stdout, stderr };
}

const GOOD = `
[general]
host = "127.0.0.1"
port = 6432
admin_username = "admin"
admin_password = "secret of the console"

[pools.exampledb]
server_host = "127.0.0.1"
server_port = 5432
pool_mode = "transaction"

[[pools.exampledb.users]]
username = "doorman"
password = "md5dd9a0f26a4302744db881776a09bbfad"
pool_size = 40
`;

test('help names every option and every variable, on standard output', () => {
  const { status, stdout, stderr } = run(['--help']);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  const named = [
    ...['-l, --log-level <LOG_LEVEL>', '-F, --log-format <LOG_FORMAT>', '-n, --no-color', '-d, --daemon'],
    ...['-t, --test-config', '-h, --help', '-V, --version', 'CONFIG_FILE', 'pg_doorman.toml', ...VARIABLES],
    ...['text', 'structured', 'debug', 'INFO'],
  ];
  for (const each of named) assert.ok(stdout.includes(each), each);
  for (const variable of VARIABLES) assert.match(stdout, new RegExp(`env:\\s+${variable}`));
  assert.equal(run(['-h']).stdout, stdout);
});

test('the version is that of package.json', () => {
  const file = new URL('../../../package.json', import.meta.url);
  const description: { version: string } = JSON.parse(readFileSync(file, 'utf8'));
  for (const option of ['-V', '--version']) {
    const { status, stdout } = run([option]);
    assert.equal(status, 0);
    assert.ok(stdout.includes(description.version), stdout);
  }
});

test('-t says that a configuration is in order, and ends', (context) => {
  const file = written(context, { 'mine.toml': GOOD });
  const { status, stdout, stderr } = run(['-t', file]);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.ok(stdout.includes(file), stdout);
});

test('-t finds pg_doorman.toml in the working directory, or the file of CONFIG_FILE', (context) => {
  const directory = dirname(written(context, { 'pg_doorman.toml': GOOD, 'other.toml': 'general = 1' }));
  assert.equal(run(['-t'], {}, directory).status, 0);
  assert.equal(run(['-t'], { CONFIG_FILE: 'other.toml' }, directory).status, 1);
});

test('-t says what is wrong with a configuration, without its secrets, and fails', (context) => {
  const file = written(context, { 'mine.toml': GOOD.replace('port = 6432', 'port = 99999\nprot = 1') });
  const { status, stdout, stderr } = run(['-t', file]);
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
  for (const what of [file, 'port', 'prot', '99999']) assert.ok(stderr.includes(what), `${what}: ${stderr}`);
  assert.doesNotMatch(stderr, /secret of the console|dd9a0f26/);
});

test('a file that is not there is named, and nothing starts', () => {
  const { status, stderr } = run(['/nowhere/pg_doorman.yaml']);
  assert.equal(status, 1);
  assert.match(stderr, /\/nowhere\/pg_doorman\.yaml/);
});

const WRONG: readonly [string, readonly string[], Environment, RegExp][] = [
  ['an unknown option', ['--what'], {}, /--what/],
  ['an unknown log level', ['-l', 'loud'], {}, /loud.*ERROR, WARN, INFO or DEBUG/],
  ['an unknown LOG_LEVEL', [], { LOG_LEVEL: 'loud' }, /loud.*LOG_LEVEL/],
  ['an unknown log format', ['-F', 'json'], {}, /json.*text, structured, debug/],
  ['an unknown LOG_FORMAT', [], { LOG_FORMAT: 'json' }, /json.*LOG_FORMAT/],
  ['an option without its value', ['-l'], {}, /--log-level <LOG_LEVEL>/],
  ['two configuration files', ['a.toml', 'b.toml'], {}, /arguments/],
];
for (const [what, args, environment, complaint] of WRONG) {
  test(`${what} is refused with a word on standard error`, (context) => {
    const directory = dirname(written(context, { 'pg_doorman.toml': GOOD }));
    const { status, stdout, stderr } = run(args, environment, directory);
    assert.notEqual(status, 0);
    assert.equal(stdout, '');
    assert.match(stderr, complaint);
  });
}
