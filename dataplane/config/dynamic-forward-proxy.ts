// What a cluster of type envoy.clusters.dynamic_forward_proxy must be like. Its DNS cache: compile/dns-cache.ts.

import { joinPath } from '../../common/result.ts';
import type { ClustersDynamicForwardProxyClusterConfigProto } from '../../proto/gen/types.ts';
import type { UpstreamHttpConfig } from '../api/config/cluster.ts';
import type { DynamicForwardProxyData } from '../api/config/provided-hosts.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileDnsCache } from '../compile/dns-cache.ts';

/** cluster_type of a dynamic forward proxy, `http` its cluster's; null after an error. */
export function compileDynamicForwardProxy(
  config: ClustersDynamicForwardProxyClusterConfigProto,
  http: UpstreamHttpConfig,
  path: string,
  compilation: Compilation,
): DynamicForwardProxyData | null {
  if (config.dns_cache_config === undefined) {
    compilation.fail(joinPath(path, 'dns_cache_config'), 'is required');
    return null;
  }
  // Whoever answers at the address that a client named would be taken for that name.
  const isVerifying = http.autoSni && http.autoSanValidation;
  if (!isVerifying && config.allow_insecure_cluster_options !== true) {
    compilation.fail(
      path,
      'auto_sni and auto_san_validation must be true unless allow_insecure_cluster_options is',
    );
  }
  const cache = compileDnsCache(
    config.dns_cache_config,
    joinPath(path, 'dns_cache_config'),
    compilation,
  );
  return { kind: 'DYNAMIC_FORWARD_PROXY', cache };
}
