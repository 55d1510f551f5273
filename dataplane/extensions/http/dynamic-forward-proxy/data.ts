// What the two halves of envoy.filters.http.dynamic_forward_proxy pass between them.

import type { DnsCacheData } from '../../../api/config/dns.ts';

export interface DynamicForwardProxyFilterData {
  readonly cache: DnsCacheData;
}

/** PerRouteConfig: the Host that is looked up and sent on instead of the client's; one of the two at most. */
export interface DynamicForwardProxyRouteData {
  /** '' = not said. */
  readonly hostRewriteLiteral: string;
  /** Lower case; '' = not said. */
  readonly hostRewriteHeader: string;
}
