/** The admin console: one command in, the messages that answer it out. */
import { ClientFacingError } from '../../wire/client-facing-error.js';
import { errorResponse } from '../../wire/error-response.js';
import { commandComplete, dataRow, rowDescription } from '../../wire/message-builder.js';
import { EMPTY_QUERY_RESPONSE, READY_FOR_QUERY_IDLE } from '../../wire/ready-made.js';
import { SQLSTATE } from '../../wire/sqlstate.js';
import { type ConsoleContext, type ShowCommand, text } from './command.js';
import { SHOW_AUTH_QUERY } from './show-auth-query.js';
import { SHOW_CLIENTS } from './show-clients.js';
import { SHOW_CONFIG } from './show-config.js';
import { SHOW_CONNECTIONS } from './show-connections.js';
import { SHOW_DATABASES } from './show-databases.js';
import { SHOW_LISTS } from './show-lists.js';
import { SHOW_POOLS, SHOW_POOLS_EXTENDED } from './show-pools.js';
import { SHOW_SERVERS } from './show-servers.js';
import { SHOW_STATS } from './show-stats.js';
import { SHOW_USERS } from './show-users.js';
import { SHOW_VERSION } from './show-version.js';
import { SHOW_WORKERS } from './show-workers.js';

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
  SHOW_POOLS,
  SHOW_POOLS_EXTENDED,
  SHOW_SERVERS,
  SHOW_STATS,
  SHOW_USERS,
  SHOW_VERSION,
  SHOW_WORKERS,
];
const COMMANDS: readonly string[] = [...SHOWS.map(({ name }) => `SHOW ${name}`), 'RELOAD', 'SHUTDOWN'];

class UnknownCommand extends ClientFacingError {
  readonly sqlstate = SQLSTATE.system_error;
  override readonly severity = 'ERROR';

  constructor(command: string) {
    super(`unknown admin command: ${command}`, { hint: `There is ${COMMANDS.join(', ')}.` });
  }
}

class BadConfiguration extends ClientFacingError {
  readonly sqlstate = SQLSTATE.config_file_error;
  override readonly severity = 'ERROR';

  constructor(complaints: readonly string[]) {
    super('the configuration stays as it was', { detail: complaints.join('\n') });
  }
}

export class AdminConsole {
  private readonly context: ConsoleContext;

  constructor(context: ConsoleContext) {
    this.context = context;
  }

  /** Everything that answers one simple query, ReadyForQuery included. */
  async answer(sql: string): Promise<Uint8Array> {
    return Buffer.concat([...(await this.run(sql)), READY_FOR_QUERY_IDLE]);
  }

  private async run(sql: string): Promise<Uint8Array[]> {
    const command = sql.replace(/[\s;]+$/, '').trim();
    const [verb = '', subject = ''] = command.toUpperCase().split(/\s+/, 2);
    if (verb === '') return [EMPTY_QUERY_RESPONSE];
    if (verb === 'SHOW') {
      const show = SHOWS.find(({ name }) => name === subject);
      return show === undefined ? [errorResponse(new UnknownCommand(command))] : this.show(show);
    }
    // Drivers send these when they connect; there is nothing here that they could change.
    if (verb === 'SET') return [commandComplete('SET')];
    if (verb === 'RELOAD' && subject === '') return this.reload();
    if (verb === 'SHUTDOWN' && subject === '') {
      this.context.shutDown();
      return [commandComplete('SHUTDOWN')];
    }
    return [errorResponse(new UnknownCommand(command))];
  }

  private async reload(): Promise<Uint8Array[]> {
    const complaints = await this.context.reload();
    return complaints.length === 0
      ? [commandComplete('RELOAD')]
      : [errorResponse(new BadConfiguration(complaints))];
  }

  private async show({ columns, rows }: ShowCommand): Promise<Uint8Array[]> {
    const answers = await rows(this.context);
    return [
      rowDescription(columns),
      ...answers.map((row) => dataRow(row.map(String))),
      commandComplete('SHOW'),
    ];
  }
}
