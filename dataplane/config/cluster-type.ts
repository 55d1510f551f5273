// What a cluster is: its `type`, or the extension that `cluster_type` names, with what hangs on it: how names are
// resolved, what chooses the hosts of those that do it themselves, and which lb_policy that allows.

import { joinPath } from '../../common/result.ts';
import type {
  ClusterConfigProto,
  ClusterLoadAssignmentProto,
  ClusterProto,
  ClustersDynamicForwardProxyClusterConfigProto,
  DnsClusterProto,
} from '../../proto/gen/types.ts';
import { durationMsOr } from '../../proto/well-known.ts';
import type { ClusterDefaults } from '../api/config/bootstrap.ts';
import type { ClusterConfig, UpstreamHttpConfig } from '../api/config/cluster.ts';
import type { DnsConfig } from '../api/config/dns.ts';
import type { OriginalDstData, ProvidedHostsData } from '../api/config/provided-hosts.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileDns, compileDnsCluster } from './dns.ts';
import { compileDynamicForwardProxy } from './dynamic-forward-proxy.ts';

const DNS = 'envoy.extensions.clusters.dns.v3.DnsCluster';
const AGGREGATE = 'envoy.extensions.clusters.aggregate.v3.ClusterConfig';
const DYNAMIC_FORWARD_PROXY = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';
const CLUSTER_PROVIDED_POLICY =
  'envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided';
const DEFAULT_CLEANUP_INTERVAL_MS = 5_000;
const DEFAULT_ORIGINAL_DST_HEADER = 'x-envoy-original-dst-host';

/** Names that Envoy takes without a typed_config: those of its own types. */
const namedTypes: Readonly<Record<string, ClusterConfig['type']>> = {
  'envoy.cluster.static': 'STATIC',
  'envoy.cluster.strict_dns': 'STRICT_DNS',
  'envoy.cluster.logical_dns': 'LOGICAL_DNS',
  'envoy.cluster.dns': 'STRICT_DNS',
  'envoy.cluster.eds': 'EDS',
  'envoy.cluster.original_dst': 'ORIGINAL_DST',
};

/** Types whose hosts come from elsewhere than discovery, and are not chosen by a policy. */
export const choosesItself: ReadonlySet<ClusterConfig['type']> = new Set([
  'ORIGINAL_DST',
  'AGGREGATE',
  'DYNAMIC_FORWARD_PROXY',
] as const);

export interface CompiledClusterType {
  readonly type: ClusterConfig['type'];
  readonly dns: DnsConfig;
  readonly provided: ProvidedHostsData | null;
}

/** STATIC where the cluster says nothing, or something that compileClusterType refuses. */
export function clusterTypeOf({ type, cluster_type: custom }: ClusterProto): ClusterConfig['type'] {
  // What the enum has and we have not: nothing.
  if (custom === undefined) return type ?? 'STATIC';
  const any = custom.typed_config;
  switch (any?.type_name) {
    case undefined:
      return namedTypes[custom.name ?? ''] ?? 'STATIC';
    case DNS: {
      const dns = any?.message as DnsClusterProto | null; // its very type
      return dns?.all_addresses_in_single_endpoint === true ? 'LOGICAL_DNS' : 'STRICT_DNS';
    }
    case AGGREGATE:
      return 'AGGREGATE';
    case DYNAMIC_FORWARD_PROXY:
      return 'DYNAMIC_FORWARD_PROXY';
    default:
      return 'STATIC';
  }
}

/** Dynamic forward proxies verify whom they reach unless that is said otherwise (Envoy: its cluster factory). */
export function withTypeDefaults(cluster: ClusterProto): ClusterProto {
  const isGiven = cluster.upstream_http_protocol_options !== undefined;
  if (isGiven || clusterTypeOf(cluster) !== 'DYNAMIC_FORWARD_PROXY') return cluster;
  const verifying = { auto_sni: true, auto_san_validation: true };
  return { ...cluster, upstream_http_protocol_options: verifying };
}

/** `path` is the cluster's, `http` what was made of its options. */
export function compileClusterType(
  cluster: ClusterProto,
  path: string,
  http: UpstreamHttpConfig,
  { dnsResolver }: ClusterDefaults,
  compilation: Compilation,
): CompiledClusterType {
  const type = clusterTypeOf(cluster);
  const dns = compileDns(cluster, path, dnsResolver, compilation);
  refuseUnknown(cluster, path, compilation);
  const message = cluster.cluster_type?.typed_config?.message ?? null;
  const at = joinPath(path, 'cluster_type.typed_config');
  const provided = compileProvided(type, message, cluster, path, http, compilation);
  checkPolicy(cluster, path, type, compilation);
  if (cluster.cluster_type?.typed_config?.type_name !== DNS || message === null) {
    return { type, dns, provided };
  }
  const own = compileDnsCluster(message as DnsClusterProto, at, dns.resolver, compilation);
  return { type, dns: own, provided };
}

/** `message`: of cluster_type, which is the one that `type` was read from. */
function compileProvided(
  type: ClusterConfig['type'],
  message: unknown,
  cluster: ClusterProto,
  path: string,
  http: UpstreamHttpConfig,
  compilation: Compilation,
): ProvidedHostsData | null {
  switch (type) {
    case 'ORIGINAL_DST':
      return compileOriginalDst(cluster, path, compilation);
    case 'AGGREGATE':
      return { kind: 'AGGREGATE', clusters: (message as ClusterConfigProto).clusters ?? [] };
    case 'DYNAMIC_FORWARD_PROXY': {
      const proxy = message as ClustersDynamicForwardProxyClusterConfigProto;
      const at = joinPath(path, 'cluster_type.typed_config');
      return compileDynamicForwardProxy(proxy, http, at, compilation);
    }
    default:
      return null;
  }
}

function refuseUnknown(
  { cluster_type: custom }: ClusterProto,
  path: string,
  compilation: Compilation,
): void {
  if (custom === undefined) return;
  const any = custom.typed_config;
  if (any === undefined) {
    if (namedTypes[custom.name ?? ''] !== undefined) return;
    const at = joinPath(path, 'cluster_type.name');
    compilation.fail(at, `no cluster type '${custom.name ?? ''}' is known`);
    return;
  }
  if ([DNS, AGGREGATE, DYNAMIC_FORWARD_PROXY].includes(any.type_name)) return;
  compilation.fail(
    joinPath(path, 'cluster_type.typed_config'),
    any.message === null
      ? `unknown type '${any.type_url}'`
      : `not supported yet (${any.type_name})`,
  );
}

/** LOGICAL_DNS: one name, one host. */
export function requireOneEndpoint(
  { endpoints = [] }: ClusterLoadAssignmentProto,
  path: string,
  compilation: Compilation,
): void {
  if (endpoints.length === 1 && endpoints[0]?.lb_endpoints?.length === 1) return;
  compilation.fail(path, 'must have exactly one endpoint in a cluster of type LOGICAL_DNS');
}

function compileOriginalDst(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): OriginalDstData {
  const config = cluster.original_dst_lb_config ?? {};
  const at = joinPath(path, 'original_dst_lb_config');
  const { http_header_name: name = '', use_http_header: usesHeader = false } = config;
  if (name !== '' && !usesHeader) {
    compilation.fail(`${at}.http_header_name`, 'needs use_http_header');
  }
  const key = config.metadata_key;
  return {
    kind: 'ORIGINAL_DST',
    httpHeaderName: usesHeader ? name.toLowerCase() || DEFAULT_ORIGINAL_DST_HEADER : null,
    metadataPath:
      key === undefined ? null : [key.key ?? '', ...(key.path ?? []).map((one) => one.key ?? '')],
    portOverride: config.upstream_port_override?.value ?? null,
    cleanupIntervalMs: durationMsOr(cluster.cleanup_interval, DEFAULT_CLEANUP_INTERVAL_MS),
  };
}

/** Envoy: the cluster provides its balancer, and must be asked for it, or neither. */
function checkPolicy(
  cluster: ClusterProto,
  path: string,
  type: ClusterConfig['type'],
  compilation: Compilation,
): void {
  const isProvided = isPolicyProvided(cluster);
  if (!choosesItself.has(type)) {
    if (isProvided) {
      compilation.fail(
        joinPath(path, 'lb_policy'),
        `CLUSTER_PROVIDED is not valid for a cluster of type ${type}`,
      );
    }
    return;
  }
  if (!isProvided) {
    compilation.fail(
      joinPath(path, 'lb_policy'),
      `must be CLUSTER_PROVIDED in a cluster of type ${type}`,
    );
  }
  // Their hosts, if they have any, are each worker's own: main cannot check or eject them.
  for (const field of ['outlier_detection', 'health_checks', 'lb_subset_config'] as const) {
    if (cluster[field] === undefined) continue;
    compilation.fail(joinPath(path, field), `not supported yet in a cluster of type ${type}`);
  }
}

function isPolicyProvided({ lb_policy, load_balancing_policy }: ClusterProto): boolean {
  if (load_balancing_policy === undefined) return lb_policy === 'CLUSTER_PROVIDED';
  const [first] = load_balancing_policy.policies ?? [];
  return first?.typed_extension_config?.typed_config?.type_name === CLUSTER_PROVIDED_POLICY;
}
