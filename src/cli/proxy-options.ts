/** The command line of patroni_proxy. 3.3.1 documentation, "Patroni Proxy", "Usage". */
import { Command, Option } from 'commander';
import { LOG_FORMATS, type LogFormat } from '../control/logs.js';
import { VERSION } from '../control/version.js';
import type { LogLevel } from '../pooler/thread-messages.js';
import { readLogLevel, USAGE_ERROR } from './options.js';

export interface ProxyCommandLine {
  readonly configFile: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly hasColor: boolean;
  readonly isTest: boolean;
}

/** Reads the arguments and the environment. Prints help, version or what is wrong with them, and exits, as need be. */
export function readProxyCommandLine(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): ProxyCommandLine {
  const command = proxyProgram(environment).parse(args);
  const options: { logLevel: LogLevel; logFormat: LogFormat; color: boolean; testConfig?: boolean } =
    command.opts();
  return {
    configFile: String(command.processedArgs[0]),
    logLevel: options.logLevel,
    logFormat: options.logFormat,
    hasColor: options.color && !environment.NO_COLOR && process.stdout.isTTY === true,
    isTest: options.testConfig === true,
  };
}

/** All that the command line may say. */
export function proxyProgram(environment: NodeJS.ProcessEnv): Command {
  const command = new Command('patroni_proxy')
    .description('TCP proxy for Patroni clusters')
    .argument('<CONFIG_FILE>', 'configuration file (YAML)')
    .addOption(
      new Option('-l, --log-level <LOG_LEVEL>', 'ERROR, WARN, INFO or DEBUG; also by RUST_LOG')
        .env('LOG_LEVEL')
        .argParser(readLogLevel)
        .default(levelOfRustLog(environment.RUST_LOG ?? ''), 'INFO'),
    )
    .addOption(
      new Option('-F, --log-format <LOG_FORMAT>', 'how log lines look')
        .env('LOG_FORMAT')
        .choices(LOG_FORMATS)
        .default('text'),
    )
    .option('-n, --no-color', 'disable colors in the log output [env: NO_COLOR=]')
    .option('-t, --test-config', 'check the configuration and exit')
    .version(`patroni_proxy ${VERSION}`, '-V, --version', 'print version')
    .helpOption('-h, --help', 'print help');
  return command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_ERROR));
}

const RUST_LEVELS: Readonly<Record<string, LogLevel>> = {
  off: 'error',
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
};

/** The level that RUST_LOG asks for: `debug`, or `patroni_proxy=debug,other=warn`, whose first part goes before a
 *  plain level. What it says of other programs' parts, or cannot be understood, is ignored, as env_logger does. */
function levelOfRustLog(text: string): LogLevel {
  const parts = text
    .toLowerCase()
    .split(',')
    .map((part) => part.trim());
  const own = parts.findLast((part) => part.startsWith('patroni_proxy='))?.split('=')[1];
  const plain = parts.findLast((part) => part in RUST_LEVELS);
  return RUST_LEVELS[own ?? ''] ?? RUST_LEVELS[plain ?? ''] ?? 'info';
}
