/** How often the network does what it may do. Of 1. */
export interface NetworkManners {
  /** What is sent in one piece arrives in two or more. */
  readonly splits: number;
  /** What arrives is read together with what stands before it. */
  readonly joins: number;
  /** A send takes a part of what it was given. */
  readonly partial: number;
  /** Something takes very long. */
  readonly late: number;
  /** … or a message between threads does. */
  readonly latePosts: number;
}

export const DEFAULT_NETWORK: NetworkManners = {
  splits: 0.15,
  joins: 0.5,
  partial: 0.1,
  late: 0.01,
  latePosts: 0.03,
};
