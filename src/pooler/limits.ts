/** Limits of the data plane that no setting changes, and what happens there. */

/** Longest message of a client; a longer one ends its connection with 53200. Bytes. */
export const CLIENT_MESSAGE_MAX = 256 * 1024 * 1024;
/** Longest message of the kinds that are always short, as in PostgreSQL, which closes the connection otherwise. Bytes,
 *  with the length field. */
export const SMALL_MESSAGE_MAX = 10_000;
/** Longest message of a server; PostgreSQL itself sends none above 1 GB. A longer one is a broken server. Bytes. */
export const SERVER_MESSAGE_MAX = 0x3fffffff;
/** A backend message that must be seen whole (ErrorResponse, ParameterStatus, …) but is longer than this is passed
 *  on without a look. Bytes. */
export const WHOLE_MESSAGE_MAX = 64 * 1024;
/** Messages that a client may send before it has logged in. Bytes. */
export const LOGIN_MESSAGE_MAX = 16 * 1024;
/** … when it is asked for a password in the clear, which may be a token; PostgreSQL's limit. Bytes. */
export const TOKEN_MESSAGE_MAX = 64 * 1024;
/** Parameters of a server that clients are greeted with; PostgreSQL reports some 15, and more are not kept. */
export const PARAMETERS_MAX = 64;
/** How long a client may take to log in. Milliseconds. */
export const LOGIN_TIMEOUT_MS = 60_000;
/** Answers that one server may owe at a time; then a Flush makes it answer and the client is not read for so long.
 *  PostgreSQL sends by itself after 8 KB of answers, of at least 5 bytes each: 2048 always suffice to go on. */
export const ANSWERS_OWED_MAX = 4096;
/** A client's message up to this length is complete before a server is taken for it, so that half a message occupies
 *  none; longer ones are passed on as they come. Bytes. */
export const GATHERED_BEFORE_CHECKOUT_MAX = 1024 * 1024;
/** The texts of a pool's prepared statements together, beside prepared_statements_cache_size. Bytes. */
export const STATEMENT_BYTES_MAX = 128 * 1024 * 1024;
/** Statements too many that are closed on a server before a batch. */
export const CLOSED_AT_ONCE_MAX = 64;
/** What one of scaling_fast_retries stands for: somebody who waits hopes for so much longer. Milliseconds. */
export const FAST_RETRY_MS = 0.005;
/** After a server could not be opened the pool waits for this long. Milliseconds. */
export const CREATE_PAUSE_MS = 10;
/** Pools at a time, those that are being closed included. */
export const POOLS_MAX = 8192;
/** The name of PostgreSQL's protocol for ALPN, IANA "TLS Application-Layer Protocol Negotiation Protocol IDs". */
export const ALPN_PROTOCOL = 'postgresql';
/** How long a CancelRequest may take to be delivered. Milliseconds. */
export const CANCEL_TIMEOUT_MS = 5_000;
