// config.cluster.v3.Cluster -> ClusterConfig, for CDS and static_resources. Clusters that only gRPC
// services name go through grpc-target.ts instead.

import { joinPath } from '../../common/result.ts';
import type { ClusterProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { ClusterDefaults } from '../api/config/bootstrap.ts';
import type {
  ClusterConfig,
  LoadAssignment,
  UpstreamProxySocketData,
} from '../api/config/cluster.ts';
import type { UpstreamProxyProtocolConfig } from '../api/config/proxy-protocol.ts';
import type { UpstreamTlsConfig } from '../api/config/tls.ts';
import { type Compilation, namedAny } from '../compile/compilation.ts';
import { referTo } from '../compile/config-source.ts';
import {
  BREAKER_KEY,
  compileErrorRatioBreaker,
  HOST_BREAKER_KEY,
} from '../compile/error-ratio-breaker.ts';
import { compileBindConfig } from './bind-config.ts';
import { compileCircuitBreakers } from './circuit-breakers.ts';
import {
  choosesItself,
  clusterTypeOf,
  compileClusterType,
  requireOneEndpoint,
  withTypeDefaults,
} from './cluster-type.ts';
import { compileLoadAssignment } from './endpoint.ts';
import { compileHealthChecks } from './health-check.ts';
import { compileLoadBalancing } from './load-balancing.ts';
import { compileOutlierDetection } from './outlier-detection.ts';
import { grpcStatusFromTrailers } from './outlier-options.ts';
import { compileRetryRate } from './retry-rate.ts';
import { compileUpstreamHttp } from './upstream-http.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;
const DEFAULT_PANIC_THRESHOLD_PERCENT = 50;
const DEFAULT_OVERRIDE_HOST_STATUSES = ['UNKNOWN', 'HEALTHY', 'DEGRADED'] as const;
const DEFAULT_UPDATE_MERGE_WINDOW_MS = 1_000;

/** `path` is '' for a resource of its own. */
export function compileCluster(
  proto: ClusterProto,
  path: string,
  defaults: ClusterDefaults,
  compilation: Compilation,
): ClusterConfig {
  const at = (field: string): string => joinPath(path, field);
  const cluster = withTypeDefaults(proto);
  const name = cluster.name ?? '';
  const socket = compileUpstreamSocket(cluster, path, compilation);
  const http = compileUpstreamHttp(cluster, path, socket.tls !== null, compilation);
  const { type, dns, provided } = compileClusterType(cluster, path, http, defaults, compilation);
  const keepalive = cluster.upstream_connection_options?.tcp_keepalive;
  const { runtime } = compilation.context;
  const maintenance = runtime.integer(`upstream.maintenance_mode.${name}`, 0);
  return {
    name,
    statName: (cluster.alt_stat_name ?? name).replaceAll(':', '_'),
    type,
    provided,
    edsServiceName: compileEds(cluster, path, compilation),
    connectTimeoutMs: durationMsOr(cluster.connect_timeout, DEFAULT_CONNECT_TIMEOUT_MS),
    perConnectionBufferLimitBytes: wrapperOr(
      cluster.per_connection_buffer_limit_bytes,
      DEFAULT_BUFFER_LIMIT_BYTES,
    ),
    loadBalancing: compileLoadBalancing(cluster, path, compilation),
    commonLb: {
      healthyPanicThresholdPercent: runtime.integer(
        'upstream.healthy_panic_threshold',
        Math.trunc(
          cluster.common_lb_config?.healthy_panic_threshold === undefined
            ? DEFAULT_PANIC_THRESHOLD_PERCENT
            : (cluster.common_lb_config.healthy_panic_threshold.value ?? 0),
        ),
      ),
      updateMergeWindowMs: durationMsOr(
        cluster.common_lb_config?.update_merge_window,
        DEFAULT_UPDATE_MERGE_WINDOW_MS,
      ),
      closeConnectionsOnHostSetChange:
        cluster.common_lb_config?.close_connections_on_host_set_change ?? false,
      ignoreNewHostsUntilFirstHc:
        cluster.common_lb_config?.ignore_new_hosts_until_first_hc ?? false,
      // An empty set is one: then no host will do.
      overrideHostStatuses:
        cluster.common_lb_config?.override_host_status === undefined
          ? DEFAULT_OVERRIDE_HOST_STATUSES
          : (cluster.common_lb_config.override_host_status.statuses ?? []),
    },
    ...(maintenance === 0 ? {} : { maintenancePercent: maintenance }),
    circuitBreakers: compileCircuitBreakers(
      cluster.circuit_breakers,
      name,
      at('circuit_breakers'),
      compilation,
    ),
    retryRate: compileRetryRate(cluster.metadata, name, path, compilation),
    outlierDetection: compileOutlierDetection(
      cluster.outlier_detection,
      at('outlier_detection'),
      compilation,
      grpcStatusFromTrailers(
        cluster.metadata,
        cluster.outlier_detection !== undefined,
        path,
        compilation,
      ),
    ),
    breaker: compileErrorRatioBreaker(cluster.metadata, BREAKER_KEY, path, compilation),
    loadReportMetrics: cluster.lrs_report_endpoint_metrics ?? [],
    hostBreaker: compileErrorRatioBreaker(cluster.metadata, HOST_BREAKER_KEY, path, compilation),
    healthCheck: compileHealthChecks(cluster, at('health_checks'), http.protocol, compilation),
    loadAssignment: compileAssignment(cluster, path, compilation),
    dns,
    http,
    tls: socket.tls,
    tcpKeepalive:
      keepalive === undefined ? null : { timeS: wrapperOr(keepalive.keepalive_time, 7200) },
    proxyProtocol: socket.proxyProtocol,
    proxyTlvAsPoolKey: socket.tlvAsPoolKey,
    bind:
      cluster.upstream_bind_config === undefined
        ? defaults.bind
        : compileBindConfig(cluster.upstream_bind_config, at('upstream_bind_config'), compilation),
    ignoreHealthOnHostRemoval: cluster.ignore_health_on_host_removal ?? false,
    closeConnectionsOnHostHealthFailure: cluster.close_connections_on_host_health_failure ?? false,
    connectionPoolPerDownstreamConnection:
      cluster.connection_pool_per_downstream_connection ?? false,
    preconnect: {
      perUpstreamRatio: wrapperOr(cluster.preconnect_policy?.per_upstream_preconnect_ratio, 1),
      predictiveRatio: wrapperOr(cluster.preconnect_policy?.predictive_preconnect_ratio, 1),
    },
  };
}

/** The id of the EDS resource; '' for other types. */
function compileEds(cluster: ClusterProto, path: string, compilation: Compilation): string {
  const at = joinPath(path, 'eds_cluster_config');
  if (clusterTypeOf(cluster) !== 'EDS') {
    if (cluster.eds_cluster_config !== undefined) {
      compilation.fail(at, 'may only be set in a cluster of type EDS');
    }
    return '';
  }
  if (cluster.eds_cluster_config === undefined) {
    compilation.fail(at, 'is required in a cluster of type EDS');
    return '';
  }
  const { eds_config: source, service_name: serviceName } = cluster.eds_cluster_config;
  const name = serviceName ?? cluster.name ?? '';
  const statName = cluster.name ?? '';
  return referTo(
    { kind: 'endpoint', name, statName, source, path: `${at}.eds_config` },
    compilation,
  );
}

function compileAssignment(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): LoadAssignment | null {
  const at = joinPath(path, 'load_assignment');
  const type = clusterTypeOf(cluster);
  if (type === 'EDS' || choosesItself.has(type)) {
    if (cluster.load_assignment !== undefined) {
      compilation.fail(at, `may not be set in a cluster of type ${type}`);
    }
    return null;
  }
  const allowNames = type === 'STRICT_DNS' || type === 'LOGICAL_DNS';
  const assignment = cluster.load_assignment ?? {};
  if (type === 'LOGICAL_DNS') requireOneEndpoint(assignment, at, compilation);
  return compileLoadAssignment(assignment, at, allowNames, compilation);
}

/** What a cluster's connections are made of. */
export interface UpstreamSocket {
  readonly proxyProtocol: UpstreamProxyProtocolConfig | null;
  readonly tlvAsPoolKey: boolean;
  /** Null = plaintext. */
  readonly tls: UpstreamTlsConfig | null;
}

const plaintext: UpstreamSocket = { proxyProtocol: null, tlvAsPoolKey: false, tls: null };

export function compileUpstreamSocket(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): UpstreamSocket {
  if (cluster.transport_socket === undefined) return plaintext;
  const at = joinPath(path, 'transport_socket');
  const socket = compilation.extension(
    'upstream-transport-socket',
    namedAny(cluster.transport_socket),
    at,
  );
  // The halves of this category make UpstreamTlsConfig, UpstreamProxySocketData, or null for raw_buffer.
  const data = (socket?.data ?? null) as UpstreamTlsConfig | UpstreamProxySocketData | null;
  if (data !== null && 'kind' in data) return data;
  return { ...plaintext, tls: data };
}
