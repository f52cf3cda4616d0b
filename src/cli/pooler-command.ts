/** What the command pg_doorman does: importing this does it. */
import { writeSync } from 'node:fs';
import { ConfigurationError } from '../config/complaints.js';
import { type LoadedConfiguration, loadConfiguration } from '../config/load.js';
import { warningsOf } from '../config/warnings.js';
import { Log } from '../control/logs.js';
import { PidFile, PidFileError } from '../control/pid-file.js';
import { type Service, Supervisor } from '../control/supervisor.js';
import { Syslog } from '../control/syslog.js';
import { isSuccessor } from '../control/upgrade/predecessor.js';
import { Daemon, startDaemon } from './daemon.js';
import { type CommandLine, readCommandLine, USAGE_ERROR } from './options.js';
import { Subcommands } from './subcommands.js';

const STDERR = 2;

async function main(): Promise<number> {
  const subcommands = new Subcommands();
  const command = readCommandLine(process.argv, process.env, subcommands);
  if (subcommands.chosen !== null) return subcommands.chosen();
  const { configFile, isDaemon, isTest } = command;
  const meant = subcommands.nearest(configFile);
  if (meant !== '') {
    say(`there is neither a command nor a file ${configFile}; did you mean ${meant}?`);
    return USAGE_ERROR;
  }
  const predecessor = isSuccessor(process.env) ? process.ppid : 0;
  const daemon = Daemon.thisProcess();
  if (isDaemon && !isTest && daemon === null && predecessor === 0) return startDaemon(configFile);
  const loaded = load(configFile);
  if (loaded === null) return 1;
  if (isTest) {
    for (const warning of warningsOf(loaded.configuration)) say(warning);
    console.log(`the configuration file ${configFile} is in order`);
    return 0;
  }
  return isDaemon
    ? serveAsDaemon(loaded, command, { daemon, predecessor })
    : serve(loaded, openLog(loaded, command, false), {
        serving: () => undefined,
        takenBack: () => undefined,
      });
}

/** How a daemon has come to be. */
interface Origin {
  /** null when it has taken the place of another. */
  readonly daemon: Daemon | null;
  /** The process id of that one, or 0. */
  readonly predecessor: number;
}

async function serveAsDaemon(
  loaded: LoadedConfiguration,
  command: CommandLine,
  { daemon, predecessor }: Origin,
): Promise<number> {
  const { daemon_pid_file, syslog_prog_name } = loaded.configuration.general;
  if (syslog_prog_name === undefined) {
    return refuse('daemon mode (-d) needs general.syslog_prog_name: syslog is where its log goes');
  }
  try {
    // Another's file is taken when this process serves: until then the other is the service.
    let pidFile = predecessor === 0 ? PidFile.take(daemon_pid_file) : null;
    const log = openLog(loaded, command, true);
    log.echo = (line, level) => {
      if (level === 'error' || level === 'warn') say(line);
    };
    const status = await serve(loaded, log, {
      serving: () => {
        pidFile ??= PidFile.take(daemon_pid_file, predecessor);
        log.echo = null;
        daemon?.serves();
      },
      takenBack: () => {
        pidFile = PidFile.take(daemon_pid_file);
      },
    });
    pidFile?.remove();
    return status;
  } catch (error) {
    if (!(error instanceof PidFileError)) throw error;
    return refuse(error.message);
  }
}

async function serve(loaded: LoadedConfiguration, log: Log, service: Service): Promise<number> {
  process.on('uncaughtExceptionMonitor', (error) => {
    log.error(`bug: ${error.stack ?? error.message}`);
    log.flush();
  });
  const status = await Supervisor.run(loaded, log, service);
  log.flush();
  return status;
}

/** isDaemon: there is no other place than syslog, which may come later. */
function openLog(loaded: LoadedConfiguration, command: CommandLine, isDaemon: boolean): Log {
  const { logLevel: level, logFormat: format, hasColor } = command;
  const name = loaded.configuration.general.syslog_prog_name;
  if (name === undefined) return new Log({ level, format, hasColor });
  const syslog = new Syslog(name, process.env.PG_DOORMAN_SYSLOG_SOCKET);
  const failure = syslog.connect();
  if (failure !== '') {
    say(`syslog cannot be reached (${failure}): ${isDaemon ? 'trying again' : 'logging to standard output'}`);
    if (!isDaemon) return new Log({ level, format, hasColor });
  }
  return new Log({ level, format, hasColor: false, syslog });
}

/** null when it cannot be used; everything that is wrong with it has then been said. */
function load(file: string): LoadedConfiguration | null {
  try {
    return loadConfiguration(file);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const line of error.message.split('\n')) say(line);
    return null;
  }
}

function refuse(why: string): number {
  say(why);
  return 1;
}

/** On the terminal. console.error would keep it open, also for a daemon. */
function say(text: string): void {
  try {
    writeSync(STDERR, `pg_doorman: ${text}\n`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error; // nobody is there to be told
  }
}

// The workers are blocked in the kernel when they are not told otherwise: the end is said, not awaited.
process.exitCode = 1; // when nothing is left that could say it
void main().then((status) => process.exit(status));
