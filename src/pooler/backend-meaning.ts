/** What each backend message means to a server session: one row per tag. PostgreSQL manual, "Message Formats". */
import { Backend } from '../wire/tags.js';

export const enum Meaning {
  /** No message of the protocol: the server is closed. */
  Violation,
  /** Belongs to an answer and does not end it. */
  Data,
  /** Ends the answer to one message of the extended protocol. */
  Answer,
  CommandComplete,
  CycleEnds,
  Error,
  CopyIn,
  CopyOut,
  /** Comes at any time. */
  Unasked,
  Parameter,
  /** Only before the first ReadyForQuery. */
  Login,
}

const MEANINGS = {
  [Backend.Authentication]: Meaning.Login,
  [Backend.BackendKeyData]: Meaning.Login,
  [Backend.BindComplete]: Meaning.Answer,
  [Backend.CloseComplete]: Meaning.Answer,
  [Backend.CommandComplete]: Meaning.CommandComplete,
  [Backend.CopyBothResponse]: Meaning.Login, // replication is not pooled
  [Backend.CopyData]: Meaning.Data,
  [Backend.CopyDone]: Meaning.Data,
  [Backend.CopyInResponse]: Meaning.CopyIn,
  [Backend.CopyOutResponse]: Meaning.CopyOut,
  [Backend.DataRow]: Meaning.Data,
  [Backend.EmptyQueryResponse]: Meaning.Answer,
  [Backend.ErrorResponse]: Meaning.Error,
  [Backend.FunctionCallResponse]: Meaning.Data,
  [Backend.NegotiateProtocolVersion]: Meaning.Login,
  [Backend.NoData]: Meaning.Answer,
  [Backend.NoticeResponse]: Meaning.Unasked,
  [Backend.NotificationResponse]: Meaning.Unasked,
  [Backend.ParameterDescription]: Meaning.Data,
  [Backend.ParameterStatus]: Meaning.Parameter,
  [Backend.ParseComplete]: Meaning.Answer,
  [Backend.PortalSuspended]: Meaning.Answer,
  [Backend.ReadyForQuery]: Meaning.CycleEnds,
  [Backend.RowDescription]: Meaning.Answer,
} satisfies Record<Backend, Meaning>;

const meaningByTag = new Uint8Array(256); // 0 is Violation
for (const [tag, meaning] of Object.entries(MEANINGS)) meaningByTag[Number(tag)] = meaning;

export function meaningOf(tag: number): Meaning {
  return meaningByTag[tag] as Meaning;
}

/** Whether the message's content decides something, so that all of it must be there. */
export function isWhole(meaning: Meaning): boolean {
  return (
    meaning === Meaning.CommandComplete ||
    meaning === Meaning.CycleEnds ||
    meaning === Meaning.Error ||
    meaning === Meaning.Parameter ||
    meaning === Meaning.Login
  );
}

/** Whether the message belongs to the answer to something: without a question it is a broken server's. */
export function isAnswer(meaning: Meaning): boolean {
  return (
    meaning === Meaning.Data ||
    meaning === Meaning.Answer ||
    meaning === Meaning.CommandComplete ||
    meaning === Meaning.CycleEnds ||
    meaning === Meaning.CopyIn ||
    meaning === Meaning.CopyOut
  );
}
