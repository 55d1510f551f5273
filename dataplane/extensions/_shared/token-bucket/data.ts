// Compiled type.v3.TokenBucket: config.ts makes it, token-bucket.ts reads it.

export interface TokenBucketData {
  readonly maxTokens: number;
  /** Default 1. */
  readonly tokensPerFill: number;
  /** >= 50. */
  readonly fillIntervalMs: number;
  /** One 64-bit word, see token-bucket.ts. */
  readonly state: SharedArrayBuffer;
}
