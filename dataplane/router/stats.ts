// The router's own stats: `http.<stat_prefix>.rq_total` and so on.

import type { StatField, StatScope } from '../api/stats.ts';

/** One per connection manager config and worker; hot code increments the fields. */
export class RouterStats {
  static readonly stats: readonly StatField[] = [
    { field: 'noRoute', name: 'no_route', kind: 'counter' },
    { field: 'noCluster', name: 'no_cluster', kind: 'counter' },
    { field: 'rqDirectResponse', name: 'rq_direct_response', kind: 'counter' },
    { field: 'rqRedirect', name: 'rq_redirect', kind: 'counter' },
    {
      field: 'rqResetAfterDownstreamResponseStarted',
      name: 'rq_reset_after_downstream_response_started',
      kind: 'counter',
    },
    { field: 'rqTotal', name: 'rq_total', kind: 'counter' },
    {
      field: 'passthroughInternalRedirectBadLocation',
      name: 'passthrough_internal_redirect_bad_location',
      kind: 'counter',
    },
    {
      field: 'passthroughInternalRedirectUnsafeScheme',
      name: 'passthrough_internal_redirect_unsafe_scheme',
      kind: 'counter',
    },
    {
      field: 'passthroughInternalRedirectTooManyRedirects',
      name: 'passthrough_internal_redirect_too_many_redirects',
      kind: 'counter',
    },
    {
      field: 'passthroughInternalRedirectNoRoute',
      name: 'passthrough_internal_redirect_no_route',
      kind: 'counter',
    },
    {
      field: 'passthroughInternalRedirectPredicate',
      name: 'passthrough_internal_redirect_predicate',
      kind: 'counter',
    },
  ];

  noRoute = 0;
  noCluster = 0;
  /** Redirects too: Envoy's rq_redirect is for internal ones. */
  rqDirectResponse = 0;
  rqRedirect = 0;
  rqResetAfterDownstreamResponseStarted = 0;
  rqTotal = 0;
  /** Redirects that were the client's to follow, by reason. */
  passthroughInternalRedirectBadLocation = 0;
  passthroughInternalRedirectUnsafeScheme = 0;
  passthroughInternalRedirectTooManyRedirects = 0;
  passthroughInternalRedirectNoRoute = 0;
  passthroughInternalRedirectPredicate = 0;
}

/** Where those of requests without a client hang: mirrored ones and other requests of our own. */
export const ASYNC_CLIENT = 'async-client';

/** Where they hang. */
export function routerStatScope(statPrefix: string): StatScope {
  return {
    prefix: `http.${statPrefix}`,
    promPrefix: 'envoy_http',
    labels: { envoy_http_conn_manager_prefix: statPrefix },
  };
}
