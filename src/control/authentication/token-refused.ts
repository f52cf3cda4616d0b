/** The token is not accepted. The message is for the log and contains nothing of the token that is not of its header. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}
