/** What has gone wrong under fuzzing, and what was said before it did. */

export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

/** Bytes of a conversation that are remembered at most. */
const STORY_BYTES_MAX = 100_000;

/** What the hostile sides said in one case. */
export class Story {
  /** Addresses of its clients, as the console tells them. */
  readonly names: string[] = [];
  private readonly pieces: { readonly who: string; readonly bytes: Buffer }[] = [];
  private length = 0;

  note(who: 'client' | 'server' | 'cancel', bytes: Buffer): void {
    if (this.length > STORY_BYTES_MAX) return;
    this.length += bytes.length;
    this.pieces.push({ who, bytes });
  }

  /** In hex, a line a write. */
  get text(): string {
    return this.pieces.map(({ who, bytes }) => `${who} ${bytes.toString('hex')}`).join('\n');
  }
}
