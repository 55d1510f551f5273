// Compiled envoy.filters.http.cors, per route (extensions.filters.http.cors.v3.CorsPolicy): config.ts makes it,
// filter.ts reads it. The filter's own message has no fields.

import type { FractionData, StringMatcherData } from '../../../api/matcher-data.ts';

/** Fields that say nothing ('', null, no origins) leave the word to the next less specific policy. */
export interface CorsPolicyData {
  readonly allowOrigins: readonly StringMatcherData[];
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  /** Seconds, as they are sent. */
  readonly maxAge: string;
  readonly allowCredentials: boolean | null;
  readonly allowPrivateNetworkAccess: boolean | null;
  /** Default true. */
  readonly forwardNotMatchingPreflights: boolean | null;
  /** Of the most specific policy alone; null = always. */
  readonly filterEnabled: FractionData | null;
  /** Of the most specific policy alone; null = never. Counts, and does nothing else. */
  readonly shadowEnabled: FractionData | null;
}
