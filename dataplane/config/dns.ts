// How a STRICT_DNS cluster resolves: Cluster.dns_* fields and typed_dns_resolver_config (c-ares).

import { isIP } from 'node:net';
import { joinPath } from '../../common/result.ts';
import type {
  AddressProto,
  ClusterProto,
  TypedExtensionConfigProto,
} from '../../proto/gen/types.ts';
import { durationMsOr } from '../../proto/well-known.ts';
import type { DnsConfig } from '../api/config/cluster.ts';
import { formatAddress } from '../api/connection.ts';
import { compileHostAddress } from '../compile/address.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
const DEFAULT_REFRESH_RATE_MS = 5_000;

/** `defaultResolvers` are the bootstrap's, for a cluster that names none. */
export function compileDns(
  cluster: ClusterProto,
  path: string,
  defaultResolvers: readonly string[],
  compilation: Compilation,
): DnsConfig {
  const refreshRateMs = durationMsOr(cluster.dns_refresh_rate, DEFAULT_REFRESH_RATE_MS);
  const failure = cluster.dns_failure_refresh_rate;
  const failureRefreshBaseMs = durationMsOr(failure?.base_interval, refreshRateMs);
  const failureRefreshMaxMs = durationMsOr(
    failure?.max_interval,
    failure === undefined ? refreshRateMs : failureRefreshBaseMs * 10,
  );
  if (failureRefreshMaxMs < failureRefreshBaseMs) {
    compilation.fail(
      joinPath(path, 'dns_failure_refresh_rate.max_interval'),
      'must be >= base_interval',
    );
  }
  const own = compileClusterResolvers(cluster, path, compilation);
  return {
    refreshRateMs,
    respectTtl: cluster.respect_dns_ttl ?? false,
    lookupFamily: cluster.dns_lookup_family ?? 'AUTO',
    failureRefreshBaseMs,
    failureRefreshMaxMs,
    resolvers: own ?? defaultResolvers,
  };
}

/** Null = the cluster says nothing. The newest way of saying it wins, as in Envoy. */
function compileClusterResolvers(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): readonly string[] | null {
  if (cluster.typed_dns_resolver_config !== undefined) {
    const at = joinPath(path, 'typed_dns_resolver_config');
    return compileDnsResolver(cluster.typed_dns_resolver_config, at, compilation);
  }
  if (cluster.dns_resolution_config !== undefined) {
    const at = joinPath(path, 'dns_resolution_config.resolvers');
    return compileResolvers(cluster.dns_resolution_config.resolvers, at, compilation);
  }
  if (cluster.dns_resolvers !== undefined) {
    return compileResolvers(cluster.dns_resolvers, joinPath(path, 'dns_resolvers'), compilation);
  }
  return null;
}

/** typed_dns_resolver_config of a cluster or of the bootstrap; c-ares only. */
export function compileDnsResolver(
  config: TypedExtensionConfigProto,
  path: string,
  compilation: Compilation,
): readonly string[] {
  const any = config.typed_config;
  const at = `${path}.typed_config`;
  if (any === undefined) {
    compilation.fail(at, 'is required');
    return [];
  }
  if (any.type_name !== CARES || any.message === null) {
    compilation.fail(
      at,
      any.message === null
        ? `unknown type '${any.type_url}'`
        : `not supported yet (${any.type_name})`,
    );
    return [];
  }
  const cares = any.message as { readonly resolvers?: readonly AddressProto[] }; // its very type
  return compileResolvers(cares.resolvers, `${at}.resolvers`, compilation);
}

function compileResolvers(
  resolvers: readonly AddressProto[] | undefined,
  path: string,
  compilation: Compilation,
): string[] {
  return mapItems(resolvers, path, (proto, at) => {
    const address = compileHostAddress(proto, at, compilation);
    if (isIP(address.ip) === 0) {
      compilation.fail(`${at}.socket_address.address`, `malformed IP address '${address.ip}'`);
    }
    return formatAddress(address);
  });
}
