/** Messages that never vary, made once. They are shared: nobody writes into them.
 *  PostgreSQL manual, "Message Formats". */
import { authenticationSasl, closeStatement, commandComplete, noParameters } from './message-builder.js';
import { MessageWriter } from './message-writer.js';
import { BINDING_MECHANISMS, MECHANISMS } from './scram-server.js';
import { Authentication, Backend, Frontend, TransactionStatus } from './tags.js';

// Frontend: what the pooler sends to PostgreSQL
export const FLUSH = withoutBody(Frontend.Flush);
export const TERMINATE = withoutBody(Frontend.Terminate);
/** Close of the unnamed statement. */
export const CLOSE_UNNAMED = closeStatement(Uint8Array.of(0));

// Backend: what the pooler sends to clients
export const READY_FOR_QUERY_IDLE = readyForQuery(TransactionStatus.Idle);
export const READY_FOR_QUERY_IN_TRANSACTION = readyForQuery(TransactionStatus.InTransaction);
export const READY_FOR_QUERY_FAILED = readyForQuery(TransactionStatus.Failed);
export const PARSE_COMPLETE = withoutBody(Backend.ParseComplete);
export const BIND_COMPLETE = withoutBody(Backend.BindComplete);
export const NO_DATA = withoutBody(Backend.NoData);
export const NO_PARAMETERS = noParameters();
export const PORTAL_SUSPENDED = withoutBody(Backend.PortalSuspended);
export const CLOSE_COMPLETE = withoutBody(Backend.CloseComplete);
export const EMPTY_QUERY_RESPONSE = withoutBody(Backend.EmptyQueryResponse);
export const COMMAND_COMPLETE_BEGIN = commandComplete('BEGIN');
export const COMMAND_COMPLETE_START_TRANSACTION = commandComplete('START TRANSACTION');
export const COMMAND_COMPLETE_DEALLOCATE = commandComplete('DEALLOCATE');
export const COMMAND_COMPLETE_DEALLOCATE_ALL = commandComplete('DEALLOCATE ALL');
export const AUTHENTICATION_OK = authentication(Authentication.Ok);
export const AUTHENTICATION_CLEARTEXT_PASSWORD = authentication(Authentication.CleartextPassword);
export const AUTHENTICATION_SASL = authenticationSasl(MECHANISMS);
/** … of connections that an exchange can be bound to. */
export const AUTHENTICATION_SASL_BINDING = authenticationSasl(BINDING_MECHANISMS);
/** The one byte that answers an SSLRequest when TLS follows. */
export const ACCEPT_TLS = Uint8Array.of(0x53 /* S */);
/** The one byte that answers an SSLRequest or GSSENCRequest when there is no encryption to be had. */
export const REFUSE_ENCRYPTION = Uint8Array.of(0x4e /* N */);

function withoutBody(tag: number): Uint8Array {
  return MessageWriter.tagged(tag).finish();
}

function readyForQuery(status: TransactionStatus): Uint8Array {
  return MessageWriter.tagged(Backend.ReadyForQuery).byte(status).finish();
}

function authentication(request: Authentication): Uint8Array {
  return MessageWriter.tagged(Backend.Authentication).int32(request).finish();
}
