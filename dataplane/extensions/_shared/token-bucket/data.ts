// Compiled type.v3.TokenBucket: config.ts makes it, token-bucket.ts reads it.

export interface TokenBucketData {
  readonly maxTokens: number;
  /** Default 1. */
  readonly tokensPerFill: number;
  /** >= 50. */
  readonly fillIntervalMs: number;
  /** Buckets of one key and equal figures are one bucket; null = it is nobody else's. */
  readonly shareKey: string | null;
  /** One 64-bit word, see token-bucket.ts. */
  readonly state: SharedArrayBuffer;
}
