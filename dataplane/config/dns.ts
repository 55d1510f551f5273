// How a cluster of a DNS type resolves: Cluster.dns_* fields, or a DnsCluster.

import type { ClusterProto, DnsClusterProto } from '../../proto/gen/types.ts';
import { durationMsOr } from '../../proto/well-known.ts';
import type { DnsConfig, DnsResolverConfig, LookupFamily } from '../api/config/dns.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileOwnResolver, compileRefresh } from '../compile/dns-resolver.ts';

const DEFAULT_REFRESH_RATE_MS = 5_000;

/** The fields of Cluster. `defaultResolver` is the bootstrap's, for a cluster that says nothing. */
export function compileDns(
  cluster: ClusterProto,
  path: string,
  defaultResolver: DnsResolverConfig,
  compilation: Compilation,
): DnsConfig {
  return {
    ...compileRefresh(cluster, DEFAULT_REFRESH_RATE_MS, path, compilation),
    respectTtl: cluster.respect_dns_ttl ?? false,
    minRefreshMs: 0,
    jitterMs: durationMsOr(cluster.dns_jitter, 0),
    lookupFamily: cluster.dns_lookup_family ?? 'AUTO',
    resolver: compileOwnResolver(cluster, path, compilation) ?? defaultResolver,
  };
}

/** extensions.clusters.dns.v3.DnsCluster; its resolver goes before that of the Cluster. */
export function compileDnsCluster(
  dns: DnsClusterProto,
  path: string,
  clusterResolver: DnsResolverConfig,
  compilation: Compilation,
): DnsConfig {
  return {
    ...compileRefresh(dns, DEFAULT_REFRESH_RATE_MS, path, compilation),
    respectTtl: dns.respect_dns_ttl ?? false,
    minRefreshMs: durationMsOr(dns.dns_min_refresh_rate, 0),
    jitterMs: durationMsOr(dns.dns_jitter, 0),
    lookupFamily: familyOf(dns.dns_lookup_family),
    resolver: compileOwnResolver(dns, path, compilation) ?? clusterResolver,
  };
}

function familyOf(family: DnsClusterProto['dns_lookup_family']): LookupFamily {
  return family === undefined || family === 'UNSPECIFIED' ? 'AUTO' : family;
}
