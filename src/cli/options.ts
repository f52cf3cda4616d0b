/** The command line of pg_doorman. 3.3.1 documentation, "Command Line Options". */
import { Command, InvalidArgumentError, Option } from 'commander';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat } from '../control/logs.js';
import { VERSION } from '../control/version.js';
import type { LogLevel } from '../pooler/thread-messages.js';
import { Subcommands } from './subcommands.js';

export const USAGE_ERROR = 2;

export interface CommandLine {
  readonly configFile: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly hasColor: boolean;
  readonly isDaemon: boolean;
  readonly isTest: boolean;
}

/** Reads the arguments and the environment. Prints help, version or what is wrong with them, and exits, as need be. */
export function readCommandLine(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  subcommands = new Subcommands(),
): CommandLine {
  const command = program(environment, subcommands).parse(args);
  const options: {
    logLevel: LogLevel;
    logFormat: LogFormat;
    color: boolean;
    daemon?: boolean;
    testConfig?: boolean;
  } = command.opts();
  return {
    configFile: String(command.processedArgs[0]),
    logLevel: options.logLevel,
    logFormat: options.logFormat,
    hasColor: options.color && !environment.NO_COLOR && process.stdout.isTTY === true,
    isDaemon: options.daemon === true || isYes(environment.DAEMON),
    isTest: options.testConfig === true,
  };
}

/** All that the command line may say. */
export function program(environment: NodeJS.ProcessEnv, subcommands: Subcommands): Command {
  const command = new Command('pg_doorman')
    .description('PgDoorman: PostgreSQL connection pooler')
    .usage('[OPTIONS] [CONFIG_FILE]\n       pg_doorman <COMMAND> [OPTIONS]')
    .enablePositionalOptions() // behind a command's name options are the command's: -d is a database there
    .argument(
      '[CONFIG_FILE]',
      'configuration file [env: CONFIG_FILE=]',
      environment.CONFIG_FILE ?? 'pg_doorman.toml',
    )
    .addOption(
      new Option('-l, --log-level <LOG_LEVEL>', 'ERROR, WARN, INFO or DEBUG')
        .env('LOG_LEVEL')
        .argParser(readLogLevel)
        .default('info', 'INFO'),
    )
    .addOption(
      new Option('-F, --log-format <LOG_FORMAT>', 'how log lines look')
        .env('LOG_FORMAT')
        .choices(LOG_FORMATS)
        .default('text'),
    )
    .option('-n, --no-color', 'disable colors in the log output [env: NO_COLOR=]')
    .option('-d, --daemon', 'run as daemon [env: DAEMON=]')
    .option('-t, --test-config', 'check the configuration and exit')
    .version(`pg_doorman ${VERSION}`, '-V, --version', 'print version')
    .helpOption('-h, --help', 'print help');
  // As the command line of 3.3.1 did: 2 for what cannot be understood.
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_ERROR));
  subcommands.addTo(command);
  return command.helpCommand('help [COMMAND]', 'print help, or that of a command').action(() => {});
}

/** What a variable says that is a switch: it is on, but for the words of no. (commander would take DAEMON=false for
 *  on: it asks only whether there is such a variable.) */
function isYes(text = ''): boolean {
  return !['', '0', 'f', 'false', 'n', 'no', 'off'].includes(text.toLowerCase());
}

/** The level of this name. Throws InvalidArgumentError. */
export function readLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((each) => each === text.toLowerCase());
  if (level === undefined) throw new InvalidArgumentError('It is ERROR, WARN, INFO or DEBUG.');
  return level;
}
