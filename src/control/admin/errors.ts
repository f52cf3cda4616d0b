/** What the console tells of commands that it cannot do: one class per situation. */
import { ClientFacingError } from '../../wire/client-facing-error.js';
import { SQLSTATE } from '../../wire/sqlstate.js';

/** Of a command that goes into an error, so much. Characters. */
const COMMAND_SHOWN_MAX = 100;

abstract class ConsoleError extends ClientFacingError {
  override readonly severity = 'ERROR';
}

export class UnknownCommand extends ConsoleError {
  readonly sqlstate = SQLSTATE.system_error;
  constructor(command: string, known: readonly string[]) {
    const shown = command.length > COMMAND_SHOWN_MAX ? `${command.slice(0, COMMAND_SHOWN_MAX)}…` : command;
    super(`unknown admin command: ${shown}`, { hint: `There is ${known.join(', ')}.` });
  }
}

/** The command is known, and what stands behind it is not what it takes. */
export class WrongArguments extends ConsoleError {
  readonly sqlstate = SQLSTATE.syntax_error;
  constructor(command: string, usage: string) {
    super(`this is not how ${command} is written`, { hint: `Write: ${usage}` });
  }
}

/** $1 and the like. */
export class ParametersNotTaken extends ConsoleError {
  readonly sqlstate = SQLSTATE.feature_not_supported;
  constructor() {
    super('commands of the admin console take no parameters', {
      hint: 'Write the value into the command.',
    });
  }
}

export class SeveralCommands extends ConsoleError {
  readonly sqlstate = SQLSTATE.syntax_error;
  constructor() {
    super('cannot insert multiple commands into a prepared statement');
  }
}

export class UnknownDatabase extends ConsoleError {
  readonly sqlstate = SQLSTATE.invalid_catalog_name;
  constructor(database: string, known: readonly string[]) {
    super(`no pool is configured for database "${database}"`, { hint: `There is ${known.join(', ')}.` });
  }
}

export class UnknownClient extends ConsoleError {
  readonly sqlstate = SQLSTATE.undefined_object;
  constructor(id: string) {
    super(`there is no client ${id}`, { hint: 'SHOW CLIENTS names them in the column client_id.' });
  }
}

export class UnknownLogLevel extends ConsoleError {
  readonly sqlstate = SQLSTATE.invalid_parameter_value;
  constructor(level: string, known: readonly string[]) {
    super(`there is no log level "${level}"`, { hint: `There is ${known.join(', ')}.` });
  }
}

export class NotPaused extends ConsoleError {
  readonly sqlstate = SQLSTATE.system_error;
  constructor(database: string | null) {
    super(database === null ? 'nothing is paused' : `database "${database}" is not paused`, {
      hint: 'SHOW POOLS tells what is. RESUME alone frees what PAUSE alone has paused.',
    });
  }
}

/** PAUSE was given up: by a cancel, or by the RESUME of another. */
export class PauseEnded extends ConsoleError {
  readonly sqlstate = SQLSTATE.query_canceled;
  constructor(why: string) {
    super(`PAUSE has ended before all servers were released: ${why}`, {
      hint: 'SHOW WAITS names the clients that hold servers, and for how long.',
    });
  }
}

export class ReloadRefused extends ConsoleError {
  readonly sqlstate = SQLSTATE.config_file_error;
  constructor(complaints: readonly string[]) {
    super('the configuration was not reloaded: the one that was in force is still', {
      detail: complaints.join('\n'),
    });
  }
}

export class UpgradeFailed extends ConsoleError {
  readonly sqlstate = SQLSTATE.system_error;
  constructor(why: string) {
    super('the upgrade has failed: this process goes on as before', { detail: why });
  }
}

export class TooManyStatements extends ConsoleError {
  readonly sqlstate = SQLSTATE.program_limit_exceeded;
  constructor(limit: number) {
    super(`the admin console keeps ${limit} prepared statements and portals of a client`);
  }
}

export class UnknownPortal extends ConsoleError {
  readonly sqlstate = SQLSTATE.invalid_cursor_name;
  constructor(name: string) {
    super(`portal "${name}" does not exist`);
  }
}

/** Something failed that should not: the log has more. */
export class CommandFailed extends ConsoleError {
  readonly sqlstate = SQLSTATE.internal_error;
  constructor(why: string) {
    super(`the command has failed: ${why}`);
  }
}
