// config.core.v3.ProxyProtocolConfig, compiled: what upstream connections begin with.

import type { ProxyProtocolTlv } from '../connection.ts';

export interface UpstreamProxyProtocolConfig {
  readonly version: 1 | 2;
  /** Types that are passed on when they came in a PROXY header; version 2 only. */
  readonly passThroughTlvs: 'all' | readonly number[];
  /** Sent with every header; in place of a passed one of the same type. */
  readonly addedTlvs: readonly ProxyProtocolTlv[];
}
