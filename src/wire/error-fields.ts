/** What the fields of an ErrorResponse or NoticeResponse say, as plain texts. Bytes: error-response.ts.
 *  PostgreSQL manual, "Error and Notice Message Fields". */

/** ERROR ends the query cycle, FATAL the connection. */
export type Severity = 'ERROR' | 'FATAL';

/** The severities of a NoticeResponse that the pooler sends. */
export type NoticeSeverity = 'WARNING' | 'NOTICE' | 'INFO';

/** The fields that we look at. A field that was not sent is ''. */
export interface ErrorFields {
  /** As a peer sent it: PANIC and texts of its own are possible. */
  readonly severity: string;
  readonly sqlstate: string;
  readonly message: string;
  readonly detail: string;
  readonly hint: string;
}
