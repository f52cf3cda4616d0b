/** The admin console: what its commands are, and which of them a text is. Not for: the protocol (console-session.ts). */
import { type ActionCommand, type ConsoleContext, type ShowCommand, text } from './command.js';
import { driverQuestion } from './driver-questions.js';
import { ParametersNotTaken, UnknownCommand, WrongArguments } from './errors.js';
import { KILL, KILL_CLIENT } from './kill.js';
import { SET_LOG_LEVEL, SHOW_LOG_LEVEL, setLogLevel } from './log-level.js';
import { PAUSE, RECONNECT, RESUME } from './pause.js';
import type { PreparedCommand } from './prepared-command.js';
import { RELOAD, SHUTDOWN, UPGRADE } from './process.js';
import { SHOW_AUTH_QUERY } from './show-auth-query.js';
import { SHOW_CLIENTS } from './show-clients.js';
import { SHOW_CONFIG } from './show-config.js';
import { SHOW_CONNECTIONS } from './show-connections.js';
import { SHOW_DATABASES } from './show-databases.js';
import { SHOW_LISTS } from './show-lists.js';
import { SHOW_POOLS, SHOW_POOLS_EXTENDED } from './show-pools.js';
import { SHOW_PREPARED_STATEMENTS } from './show-prepared-statements.js';
import { SHOW_SERVERS } from './show-servers.js';
import { SHOW_SOCKETS } from './show-sockets.js';
import { SHOW_STATS } from './show-stats.js';
import { SHOW_USERS } from './show-users.js';
import { SHOW_VERSION } from './show-version.js';
import { SHOW_WAITS } from './show-waits.js';
import { SHOW_WORKERS } from './show-workers.js';
import { type CommandText, inCapitals, type Word } from './words.js';

const SHOW_HELP: ShowCommand = {
  name: 'HELP',
  columns: [text('item')],
  rows: () => COMMANDS.map((command) => [command]),
};

const SHOWS: readonly ShowCommand[] = [
  SHOW_HELP,
  SHOW_AUTH_QUERY,
  SHOW_CLIENTS,
  SHOW_CONFIG,
  SHOW_CONNECTIONS,
  SHOW_DATABASES,
  SHOW_LISTS,
  SHOW_LOG_LEVEL,
  SHOW_POOLS,
  SHOW_POOLS_EXTENDED,
  SHOW_PREPARED_STATEMENTS,
  SHOW_SERVERS,
  SHOW_SOCKETS,
  SHOW_STATS,
  SHOW_USERS,
  SHOW_VERSION,
  SHOW_WAITS,
  SHOW_WORKERS,
];
const ACTIONS: readonly ActionCommand[] = [
  PAUSE,
  RESUME,
  RECONNECT,
  KILL,
  KILL_CLIENT,
  RELOAD,
  SHUTDOWN,
  UPGRADE,
];
/** As they are written. */
export const COMMANDS: readonly string[] = [
  ...SHOWS.map(({ name }) => `SHOW ${name}`),
  SET_LOG_LEVEL,
  ...ACTIONS.map(usageOf),
];
const PARAMETER = /^\$\d+$/;

export class AdminConsole {
  private readonly context: ConsoleContext;

  constructor(context: ConsoleContext) {
    this.context = context;
  }

  /** The command that this is. Throws ClientFacingError when it is none, or not written as it should be. */
  prepare({ text: command, words }: CommandText): PreparedCommand {
    if (words.some(({ text: word, isQuoted }) => !isQuoted && PARAMETER.test(word))) {
      throw new ParametersNotTaken();
    }
    const [verb = '', ...behind] = inCapitals(words).split(' ');
    if (verb === 'SHOW') return this.show(command, words, behind);
    if (verb === 'SET' && behind[0] === 'LOG_LEVEL') return setLogLevel(this.context, words.slice(2));
    const action = ACTIONS.find(({ name }) => name === verb);
    if (action !== undefined) return this.action(action, words.slice(1));
    const question = driverQuestion(words);
    if (question === null) throw new UnknownCommand(command, COMMANDS);
    return question;
  }

  /** SHOW alone is SHOW HELP. */
  private show(
    command: string,
    words: readonly Word[],
    [subject = 'HELP']: readonly string[],
  ): PreparedCommand {
    const show = SHOWS.find(({ name }) => name === subject);
    if (show === undefined) {
      const question = driverQuestion(words);
      if (question === null) throw new UnknownCommand(command, COMMANDS);
      return question;
    }
    if (words.length > 2) throw new WrongArguments(`SHOW ${subject}`, `SHOW ${subject}`);
    const { columns, rows } = show;
    const prepared = { tag: 'SHOW', columns, run: async () => rows(this.context) };
    return show === SHOW_HELP ? { ...prepared, notice: USAGE } : prepared;
  }

  private action(action: ActionCommand, words: readonly Word[]): PreparedCommand {
    const { name, argument, columns, run } = action;
    const [first] = words;
    const isMissing = first === undefined && argument !== '' && !argument.startsWith('[');
    if (isMissing || words.length > (argument === '' ? 0 : 1))
      throw new WrongArguments(name, usageOf(action));
    return { tag: name, columns, run: (signal) => run(this.context, first?.text ?? null, signal) };
  }
}

/** What 3.3.1 and PgBouncer answer SHOW HELP with. */
const USAGE = {
  message: 'Console usage',
  detail: `\n${COMMANDS.map((command) => `\t${command}\n`).join('')}`,
};

function usageOf({ name, argument }: ActionCommand): string {
  return argument === '' ? name : `${name} ${argument}`;
}
