#!/usr/bin/env node
/** The command pg_doorman. */
import { ConfigurationError } from '../config/complaints.js';
import { type LoadedConfiguration, loadConfiguration } from '../config/load.js';
import { warningsOf } from '../config/warnings.js';
import { Log } from '../control/logs.js';
import { Supervisor } from '../control/supervisor.js';
import { readCommandLine, USAGE_ERROR } from './options.js';
import { Subcommands } from './subcommands.js';

async function main(): Promise<number> {
  const subcommands = new Subcommands();
  const { configFile, logLevel, logFormat, hasColor, isDaemon, isTest } = readCommandLine(
    process.argv,
    process.env,
    subcommands,
  );
  if (subcommands.chosen !== null) return subcommands.chosen();
  const meant = subcommands.nearest(configFile);
  if (meant !== '') {
    console.error(`pg_doorman: there is neither a command nor a file ${configFile}; did you mean ${meant}?`);
    return USAGE_ERROR;
  }
  const loaded = load(configFile);
  if (loaded === null) return 1;
  if (isTest) {
    for (const warning of warningsOf(loaded.configuration)) console.error(`pg_doorman: ${warning}`);
    console.log(`the configuration file ${configFile} is in order`);
    return 0;
  }
  if (isDaemon) {
    console.error('pg_doorman: --daemon is not built yet; run it in the foreground under systemd');
    return USAGE_ERROR;
  }
  return Supervisor.run(loaded, new Log({ level: logLevel, format: logFormat, hasColor }));
}

/** null when it cannot be used; everything that is wrong with it has then been said. */
function load(file: string): LoadedConfiguration | null {
  try {
    return loadConfiguration(file);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const line of error.message.split('\n')) console.error(`pg_doorman: ${line}`);
    return null;
  }
}

// The workers are blocked in the kernel when they are not told otherwise: the end is said, not awaited.
process.exit(await main());
