/** What the manual names, there is: settings, options, commands of the console, metrics, scripts; and every block of
 *  commands says whether it is run (test/docs). */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { program } from '../../../src/cli/options.js';
import { Subcommands } from '../../../src/cli/subcommands.js';
import { configurationSchema } from '../../../src/config/settings/configuration.js';
import { COMMANDS } from '../../../src/control/admin/console.js';
import { METRICS } from '../../../src/control/metrics/catalogue.js';
import { blocksOf } from '../../docs/blocks.js';
import { MANUAL, PAGES, ROOT } from './manual.js';

const TASKS = ['run', 'fails', 'start', 'example', 'output', 'log'];
const root = program({}, new Subcommands());
const OPTIONS = new Set(
  [root, ...root.commands].flatMap(({ options }) => options.flatMap(({ short, long }) => [short, long])),
);
/** Every word of the code. */
const CODE = new Set(
  readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => readFileSync(`${ROOT}src/${name}`, 'utf8').match(/\w+/g) ?? []),
);
/** Names that belong to others: PostgreSQL, libpq, the kernel, Prometheus, Patroni, drivers. */
const FOREIGN = new Set([
  ...['channel_binding', 'data_directory', 'pg_advisory_lock', 'pg_advisory_xact_lock', 'pg_backend_pid'],
  ...['pg_locks', 'pg_terminate_backend', 'pam_unix', 'unix_chkpwd', 'io_uring_disabled', 'on_role_change'],
  ...['histogram_quantile', 'rule_files', 'statement_cache_size', 'shop_app'],
  ...['loop_wait', 'max_lifetime'],
]);
const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

for (const { name, text } of MANUAL) {
  const blocks = blocksOf(text);

  test(`${name}: every block of commands says whether it is run`, () => {
    const silent = blocks.filter(
      ({ language, task }) =>
        (language === 'sh' && !['run', 'fails', 'start', 'example'].includes(task)) ||
        (task !== '' && !TASKS.includes(task) && !task.startsWith('file=')),
    );
    assert.deepEqual(
      silent.map(({ line }) => line),
      [],
    );
    // None is overlooked, as one that is indented would be.
    const fences = text.match(/^ *```/gm) ?? [];
    const hidden = text.match(/^<!-- (run|start)$/gm) ?? [];
    assert.equal(blocks.length, fences.length / 2 + hidden.length);
  });

  test(`${name}: settings, columns and other names with an underscore are known to the code`, () => {
    const names = [...text.matchAll(/`([^`\n]+)`/g)].flatMap(
      ([, code = '']) => code.match(/\b[a-z]+(_[a-z]+)+\b/g) ?? [],
    );
    const isKnown = (each: string): boolean => CODE.has(each) || FOREIGN.has(each) || each in METRICS;
    // Metrics of patroni_proxy are put together of a prefix, a name, and what counters end in.
    const plain = (each: string): string => each.replace(/^patroni_proxy_|_(bucket|total)$/g, '');
    const unknown = names.filter((each) => !isKnown(each) && !isKnown(plain(each)));
    assert.deepEqual(unknown, []);
  });

  test(`${name}: configurations have the settings that there are`, () => {
    for (const { text: content, line } of blocks.filter(({ language }) => language === 'yaml')) {
      if (!/^(general|pools|prometheus|include):/m.test(content)) continue;
      const { error } = configurationSchema.safeParse(parse(content));
      assert.equal(error, undefined, `line ${line}`);
    }
  });
}

for (const { name, text } of PAGES) {
  test(`${name}: options of pg_doorman, scripts and tests that it names`, () => {
    const unknown = [...text.matchAll(/(?:^|`)pg_doorman [^\n`|;)]*/gm)].flatMap(([command]) =>
      (command.match(/(?<= )--?[a-z-]+/gi) ?? []).filter((option) => !OPTIONS.has(option)),
    );
    const runs = [...text.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].filter(
      ([, script = '']) => !(script in scripts),
    );
    const tests = [...text.matchAll(/npm test -- (test\/[\w./-]+)/g)].filter(
      ([, path = '']) => !existsSync(ROOT + path),
    );
    assert.deepEqual([unknown, runs.map(([run]) => run), tests.map(([run]) => run)], [[], [], []]);
  });

  test(`${name}: metrics that it names`, () => {
    const unknown = (text.match(/\bpg_doorman_[a-z_]+\b(?!\.|=|-|\()/g) ?? []).filter(
      (metric) => !(metric.replace(/_bucket$/, '') in METRICS) && !metric.endsWith('_'),
    );
    assert.deepEqual(unknown, []);
    for (const [, expression = ''] of text.matchAll(/`([^`\n]*pg_doorman_\w+[({[][^`\n]*)`/g)) {
      parser.parse(expression).iterate({
        enter: ({ type, from }) => assert.ok(!type.isError, `at ${from}: ${expression}`),
      });
    }
  });

  // That of PgBouncer, whose commands it lists, apart.
  if (name === 'docs/migrating-from-pgbouncer.md') continue;
  test(`${name}: commands of the console that it names`, () => {
    const known = new Set(COMMANDS.map((command) => /^(SHOW \w+|\w+)/.exec(command)?.[0]));
    const unknown = [
      ...text.matchAll(/`(SHOW [A-Z_]+|PAUSE|RESUME|RECONNECT|RELOAD|UPGRADE|SHUTDOWN|KILL\w*)\b/g),
    ].filter(([, command]) => !known.has(command));
    assert.deepEqual(
      unknown.map(([command]) => command),
      [],
    );
  });
}
