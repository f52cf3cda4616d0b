/** The tags of PostgreSQL's messages by the manual's names. PostgreSQL manual, "Message Formats". */

/** Messages that a client sends. */
export const enum Frontend {
  Bind = 0x42, // B
  Close = 0x43, // C
  CopyData = 0x64, // d
  CopyDone = 0x63, // c
  CopyFail = 0x66, // f
  Describe = 0x44, // D
  Execute = 0x45, // E
  Flush = 0x48, // H
  FunctionCall = 0x46, // F
  Parse = 0x50, // P
  Password = 0x70, // p: PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse
  Query = 0x51, // Q
  Sync = 0x53, // S
  Terminate = 0x58, // X
}

/** Messages that PostgreSQL sends. */
export const enum Backend {
  Authentication = 0x52, // R
  BackendKeyData = 0x4b, // K
  BindComplete = 0x32, // 2
  CloseComplete = 0x33, // 3
  CommandComplete = 0x43, // C
  CopyBothResponse = 0x57, // W
  CopyData = 0x64, // d
  CopyDone = 0x63, // c
  CopyInResponse = 0x47, // G
  CopyOutResponse = 0x48, // H
  DataRow = 0x44, // D
  EmptyQueryResponse = 0x49, // I
  ErrorResponse = 0x45, // E
  FunctionCallResponse = 0x56, // V
  NegotiateProtocolVersion = 0x76, // v
  NoData = 0x6e, // n
  NoticeResponse = 0x4e, // N
  NotificationResponse = 0x41, // A
  ParameterDescription = 0x74, // t
  ParameterStatus = 0x53, // S
  ParseComplete = 0x31, // 1
  PortalSuspended = 0x73, // s
  ReadyForQuery = 0x5a, // Z
  RowDescription = 0x54, // T
}

/** What Authentication (R) asks for or says. */
export const enum Authentication {
  Ok = 0,
  CleartextPassword = 3,
  Md5Password = 5,
  Sasl = 10,
  SaslContinue = 11,
  SaslFinal = 12,
}

/** The status byte of ReadyForQuery. */
export const enum TransactionStatus {
  Idle = 0x49, // I
  InTransaction = 0x54, // T
  Failed = 0x45, // E
}

/** First words of packets that have no tag. */
export const enum StartupCode {
  Protocol30 = 196608,
  Protocol32 = 196610,
  CancelRequest = 80877102,
  SslRequest = 80877103,
  GssEncRequest = 80877104,
}

/** In Describe and Close: the name is that of a statement. */
export const STATEMENT_KIND = 0x53; // S
/** … of a portal. */
export const PORTAL_KIND = 0x50; // P
/** Bytes of a tag and of the length behind it. */
export const TAG_LENGTH = 1;
export const LENGTH_LENGTH = 4;
export const HEADER_LENGTH = TAG_LENGTH + LENGTH_LENGTH;
