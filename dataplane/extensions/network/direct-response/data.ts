// Compiled envoy.filters.network.direct_response: config.ts makes it, filter.ts reads it.

export interface DirectResponseData {
  /** Sent to every new connection; may be empty. */
  readonly response: Uint8Array;
}
