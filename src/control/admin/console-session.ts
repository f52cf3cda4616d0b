/** One client of the console: what its messages ask for, by the simple or the extended protocol, and the messages that
 *  answer them. What PostgreSQL would keep back until a Flush is answered at once. Not for: what commands do.
 *  PostgreSQL manual, "Message Flow". */
import {
  ClientFacingError,
  FeatureNotSupported,
  ProtocolViolation,
  UnknownStatement,
} from '../../wire/client-facing-error.js';
import { errorResponse, noticeResponse } from '../../wire/error-response.js';
import { Frame, Framer } from '../../wire/framer.js';
import { commandComplete, dataRow, rowDescription, ValueFormat } from '../../wire/message-builder.js';
import { MessageReader } from '../../wire/message-reader.js';
import {
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  EMPTY_QUERY_RESPONSE,
  NO_DATA,
  NO_PARAMETERS,
  PARSE_COMPLETE,
  PORTAL_SUSPENDED,
  READY_FOR_QUERY_IDLE,
  READY_FOR_QUERY_IN_TRANSACTION,
} from '../../wire/ready-made.js';
import { Frontend, PORTAL_KIND, STATEMENT_KIND } from '../../wire/tags.js';
import { encodeValue } from '../../wire/value-encoding.js';
import type { Row } from './command.js';
import type { AdminConsole } from './console.js';
import {
  CommandFailed,
  ParametersNotTaken,
  SeveralCommands,
  TooManyStatements,
  UnknownPortal,
} from './errors.js';
import type { PreparedCommand } from './prepared-command.js';
import { commandsIn } from './words.js';

/** The worker has framed the messages already, and knows a shorter limit. */
const MESSAGE_MAX = 1 << 20;
/** Prepared statements of one client, and its portals. */
const KEPT_MAX = 1000;

/** A command that was bound. */
interface Portal {
  /** null: an empty query. */
  readonly command: PreparedCommand | null;
  readonly formats: readonly ValueFormat[];
  /** Not yet fetched; null before the first Execute. */
  rows: Row[] | null;
}

export class ConsoleSession {
  private readonly console: AdminConsole;
  private readonly onFailure: (error: unknown) => void;
  private readonly framer = new Framer(MESSAGE_MAX);
  private readonly statements = new Map<string, PreparedCommand | null>();
  private readonly portals = new Map<string, Portal>();
  private answers: Uint8Array[] = [];
  private skipsToSync = false;
  private isInTransaction = false;
  private running: AbortController | null = null;

  /** `onFailure` is told of an error that no client should see. */
  constructor(console: AdminConsole, onFailure: (error: unknown) => void) {
    this.console = console;
    this.onFailure = onFailure;
  }

  /** What answers these whole messages, in their order. Called again when it has returned. */
  async answer(messages: Uint8Array): Promise<Uint8Array> {
    this.answers = [];
    for (let at = 0; at < messages.length; at = this.framer.bodyEnd) {
      if (this.framer.next(messages, at, messages.length) !== Frame.Message) break;
      await this.take(this.framer.tag, messages, this.framer.bodyAt, this.framer.bodyEnd);
    }
    return Buffer.concat(this.answers);
  }

  /** Whatever is running is not waited for any more. */
  cancel(): void {
    this.running?.abort();
  }

  private async take(tag: number, bytes: Uint8Array, bodyAt: number, bodyEnd: number): Promise<void> {
    const isQuery = tag === Frontend.Query;
    if (this.skipsToSync && tag !== Frontend.Sync) return;
    try {
      const reader = new MessageReader(bytes, bodyAt, bodyEnd);
      if (isQuery) await this.query(reader);
      else await this.extended(tag, reader);
    } catch (error) {
      this.answers.push(errorResponse(this.toldOf(error), 'ERROR'));
      this.skipsToSync = !isQuery;
    }
    if (isQuery) this.ready();
  }

  private toldOf(error: unknown): ClientFacingError {
    if (error instanceof ClientFacingError) return error;
    this.onFailure(error);
    return new CommandFailed(error instanceof Error ? error.message : String(error));
  }

  private async query(reader: MessageReader): Promise<void> {
    const commands = commandsIn(reader.string());
    if (commands.length === 0) this.answers.push(EMPTY_QUERY_RESPONSE);
    for (const each of commands) {
      const command = this.console.prepare(each);
      const rows = await this.run(command);
      if (command.notice !== undefined) {
        this.answers.push(noticeResponse({ severity: 'NOTICE', ...command.notice }));
      }
      if (command.columns !== null) this.answers.push(rowDescription(command.columns));
      this.sendRows(command, [], rows);
      this.answers.push(commandComplete(command.tag));
    }
  }

  private async extended(tag: number, reader: MessageReader): Promise<void> {
    switch (tag) {
      case Frontend.Parse:
        return this.parse(reader);
      case Frontend.Bind:
        return this.bind(reader);
      case Frontend.Describe:
        return this.describe(reader);
      case Frontend.Execute:
        return this.execute(reader);
      case Frontend.Close:
        return this.close(reader);
      case Frontend.Sync:
        this.skipsToSync = false;
        if (!this.isInTransaction) this.portals.clear();
        return this.ready();
      case Frontend.Flush:
      case Frontend.CopyData: // PostgreSQL ignores them, too
      case Frontend.CopyDone:
      case Frontend.CopyFail:
        return;
      default:
        throw new FeatureNotSupported('the admin console has no such message');
    }
  }

  private parse(reader: MessageReader): void {
    const name = reader.string();
    const [command, ...more] = commandsIn(reader.string());
    if (reader.int16() > 0) throw new ParametersNotTaken();
    if (more.length > 0) throw new SeveralCommands();
    this.makeSure(this.statements, name);
    this.statements.set(name, command === undefined ? null : this.console.prepare(command));
    this.answers.push(PARSE_COMPLETE);
  }

  private bind(reader: MessageReader): void {
    const portal = reader.string();
    const command = this.statementNamed(reader.string());
    reader.int16s(); // formats of parameters
    const parameters = reader.int16();
    if (parameters !== 0) {
      throw new ProtocolViolation(`bind message supplies ${parameters} parameters, but there are none`);
    }
    const formats = formatsFor(command?.columns?.length ?? 0, reader.int16s());
    this.makeSure(this.portals, portal);
    this.portals.set(portal, { command, formats, rows: null });
    this.answers.push(BIND_COMPLETE);
  }

  private describe(reader: MessageReader): void {
    const kind = reader.byte();
    const name = reader.string();
    const portal = kind === PORTAL_KIND ? this.portalNamed(name) : null;
    const command = portal === null ? this.statementNamed(name) : portal.command;
    if (portal === null) this.answers.push(NO_PARAMETERS);
    const columns = command?.columns ?? null;
    this.answers.push(columns === null ? NO_DATA : rowDescription(columns, portal?.formats));
  }

  private async execute(reader: MessageReader): Promise<void> {
    const portal = this.portalNamed(reader.string());
    const rowsMax = reader.int32();
    const { command, formats } = portal;
    if (command === null) {
      this.answers.push(EMPTY_QUERY_RESPONSE);
      return;
    }
    if (portal.rows === null && command.notice !== undefined) {
      this.answers.push(noticeResponse({ severity: 'NOTICE', ...command.notice }));
    }
    portal.rows ??= [...(await this.run(command))];
    const rows = portal.rows.splice(0, rowsMax > 0 ? rowsMax : portal.rows.length);
    this.sendRows(command, formats, rows);
    const isSuspended = rowsMax > 0 && rows.length === rowsMax;
    this.answers.push(isSuspended ? PORTAL_SUSPENDED : commandComplete(command.tag));
  }

  private close(reader: MessageReader): void {
    const kept = reader.byte() === STATEMENT_KIND ? this.statements : this.portals;
    kept.delete(reader.string());
    this.answers.push(CLOSE_COMPLETE);
  }

  private async run(command: PreparedCommand): Promise<readonly Row[]> {
    this.running = new AbortController();
    try {
      const rows = await command.run(this.running.signal);
      if (command.block !== undefined) this.isInTransaction = command.block === 'begins';
      return rows;
    } finally {
      this.running = null;
    }
  }

  private sendRows(command: PreparedCommand, formats: readonly ValueFormat[], rows: readonly Row[]): void {
    const columns = command.columns ?? [];
    for (const row of rows) {
      const values = row.map((value, index) => {
        const typeOid = columns[index]?.typeOid ?? 0;
        return value === null
          ? null
          : encodeValue(String(value), typeOid, formats[index] ?? ValueFormat.Text);
      });
      this.answers.push(dataRow(values));
    }
  }

  private ready(): void {
    this.answers.push(this.isInTransaction ? READY_FOR_QUERY_IN_TRANSACTION : READY_FOR_QUERY_IDLE);
  }

  private statementNamed(name: string): PreparedCommand | null {
    const command = this.statements.get(name);
    if (command === undefined) throw new UnknownStatement(name);
    return command;
  }

  private portalNamed(name: string): Portal {
    const portal = this.portals.get(name);
    if (portal === undefined) throw new UnknownPortal(name);
    return portal;
  }

  /** There is room for one of this name. */
  private makeSure(kept: ReadonlyMap<string, unknown>, name: string): void {
    if (!kept.has(name) && kept.size >= KEPT_MAX) throw new TooManyStatements(KEPT_MAX);
  }
}

/** The format of each column, from the codes in a Bind: none, one for all, or one for each. */
function formatsFor(columns: number, codes: readonly number[]): ValueFormat[] {
  if (codes.some((code) => code !== ValueFormat.Text && code !== ValueFormat.Binary)) {
    throw new ProtocolViolation('unsupported format code');
  }
  if (codes.length > 1 && codes.length !== columns) {
    throw new ProtocolViolation(
      `bind message has ${codes.length} result formats but query has ${columns} columns`,
    );
  }
  const formatOf = (code = ValueFormat.Text): ValueFormat =>
    code === ValueFormat.Binary ? ValueFormat.Binary : ValueFormat.Text;
  return Array.from({ length: columns }, (_, index) =>
    formatOf(codes.length === 1 ? codes[0] : codes[index]),
  );
}
