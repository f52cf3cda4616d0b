/** An upgrade did not come about: this process goes on as if nobody had asked for it. The message says why. */
export class UpgradeFailed extends Error {
  override readonly name = 'UpgradeFailed';
}
