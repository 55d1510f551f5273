// Where the stats of scoped routes hang: those of the subscription, counted in main, and those of the scopes, counted in
// the workers.

import type { StatScope } from './stats.ts';

/** `name`: ScopedRoutes.name. */
export function scopedRoutesScope(statPrefix: string, name: string): StatScope {
  const shown = name.replaceAll(':', '_');
  return {
    prefix: `http.${statPrefix}.scoped_rds.${shown}`,
    promPrefix: 'envoy_http_scoped_rds',
    labels: { envoy_http_conn_manager_prefix: statPrefix, envoy_scoped_rds_config: shown },
  };
}
