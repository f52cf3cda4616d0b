/** The command line of pg_doorman generate. 3.3.1 documentation, "Automatic Configuration Generation". */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { FORMATS, type GenerateOptions } from './options.js';

const PORT_MAX = 65_535;
const POOL_SIZE_MAX = 100_000;

/** Adds the command to the program. `choose` is told what to run when it is chosen. */
export function addGenerate(program: Command, choose: (run: () => Promise<number>) => void): void {
  program
    .command('generate')
    .description(
      'Generate configuration for pg_doorman by connecting to PostgreSQL and auto-detecting databases and users',
    )
    .option(
      '--host <HOST>',
      'PostgreSQL host, or directory of its unix socket [env: PGHOST=] [default: localhost]',
    )
    .option('-p, --port <PORT>', 'PostgreSQL port [env: PGPORT=] [default: 5432]', integer(1, PORT_MAX))
    .option('-u, --user <USER>', 'user to connect as; a superuser, to read pg_shadow [env: PGUSER=]')
    .option(
      '--password <PASSWORD>',
      'password; others can see arguments, so rather [env: PGPASSWORD=] or ~/.pgpass',
    )
    .option(
      '-d, --database <DATABASE>',
      'database to connect to [env: PGDATABASE=] [default: that of the user]',
    )
    .option(
      '--ssl',
      'connect by TLS only, here and in the configuration; see PGSSLMODE, PGSSLROOTCERT of libpq',
    )
    .option(
      '--server-host <HOST>',
      'server_host in the configuration [default: the host that was connected to]',
    )
    .option('--pool-size <SIZE>', 'pool_size of each user', integer(1, POOL_SIZE_MAX), 40)
    .option('-s, --session-pool-mode', 'pools in session mode instead of transaction mode')
    .option(
      '-o, --output <FILE>',
      'file to write, with mode 0600; a former one becomes FILE.bak [default: standard output]',
    )
    .addOption(
      new Option(
        '-f, --format <FORMAT>',
        'format of the configuration [default: by the ending of the output, else yaml]',
      ).choices(FORMATS),
    )
    .option('--no-comments', 'only the settings, without explanations')
    .option('--ru, --russian-comments', 'explanations in Russian')
    .addOption(
      new Option('--reference', 'all settings with example values; connects to nothing').conflicts(
        'fromPgbouncer',
      ),
    )
    .option('--from-pgbouncer <FILE>', 'convert a pgbouncer.ini; connects to nothing')
    .action((options: GenerateOptions) => choose(() => run(options)));
}

/** What it takes is loaded only now: the pooler has no use for it. */
async function run(options: GenerateOptions): Promise<number> {
  const { generate } = await import('./generate.js');
  return generate(options, process.env);
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
  };
}
