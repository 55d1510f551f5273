// The numbers of one run of a load, whoever made it.

/** `operations`: requests, handshakes or messages that ended well. */
export interface LoadResult {
  readonly operations: number;
  readonly operationsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Non-2xx answers, socket errors, sessions that were not resumed; a row with any is void. */
  readonly errors: number;
}
