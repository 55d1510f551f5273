// CDS: for each service an EDS cluster of all instances and one per version, all over mTLS; and for a
// proxy the static cluster of its own application.

import { packAny } from '../../proto/any.ts';
import type {
  CircuitBreakersProto,
  ClusterProto,
  MetadataProto,
  UpstreamsHttpHttpProtocolOptionsProto,
} from '../../proto/gen/types.ts';
import type { JsonValue } from '../../proto/plain.ts';
import type { ProxyNode, ServiceNode } from '../graph/graph.ts';
import type { TrafficPolicySettings } from '../model/defaults.ts';
import { errorRatioBreaker } from './error-ratio.ts';
import { translateHealthCheck } from './health-check.ts';
import { applicationHttp2, peerHttp2 } from './http2.ts';
import { translateLoadBalancing } from './load-balancing.ts';
import { inboundCluster, outboundCluster } from './names.ts';
import { translateOutlierDetection } from './outlier-detection.ts';
import { upstreamTls } from './tls.ts';
import { adsSource, BUFFER_LIMIT_BYTES, duration, socketAddress, wrapped } from './well-known.ts';

/**
 * Retries that the budget always allows, however little traffic there is. 3 is Envoy's default; over HTTP/2 a connection
 * that fails fails every request that waits for it, all at once.
 */
export const MIN_RETRY_CONCURRENCY = { HTTP: 3, HTTP2: 25, GRPC: 25 } as const;
/** Well below the hour that our inbound listeners keep idle connections, so that we close first. */
const PEER_IDLE_MS = 60_000;
/** Below the 5 s of Node's HTTP/1.1 server, the shortest common keep-alive of applications. */
const APP_HTTP1_IDLE_MS = 4_000;
const APP_HTTP2_IDLE_MS = 60_000;
const APP_CONNECT_TIMEOUT_MS = 1000;
/** The application's own limits apply; the caller's sidecar has breakers of its own. */
const UNLIMITED = 4_294_967_295;

export function translateOutboundClusters(service: ServiceNode): ClusterProto[] {
  return [null, ...service.versions].map((version) => outbound(service, version));
}

function outbound(service: ServiceNode, version: string | null): ClusterProto {
  const { policy } = service;
  const name = outboundCluster(service.id, service.port, version);
  return {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: adsSource, service_name: name },
    connect_timeout: duration(policy.connectTimeoutMs),
    per_connection_buffer_limit_bytes: wrapped(BUFFER_LIMIT_BYTES),
    ...translateLoadBalancing(policy.loadBalancing),
    circuit_breakers: circuitBreakers(service),
    ...(policy.outlierDetection === null
      ? {}
      : { outlier_detection: translateOutlierDetection(policy.outlierDetection) }),
    ...ownOptions(policy),
    ...(service.healthCheck === null
      ? {}
      : {
          health_checks: [translateHealthCheck(service, service.healthCheck)],
          // Envoy keeps a host that is gone from EDS until its check fails. Ours are gone because they leave: they
          // answer probes until the very end, and calls would follow them into it.
          ignore_health_on_host_removal: true,
        }),
    transport_socket: upstreamTls(service),
    typed_extension_protocol_options: httpOptions(peerOptions(service)),
  };
}

/** The application behind the proxy, in plaintext on the loopback interface. */
export function translateInboundCluster(proxy: ProxyNode): ClusterProto {
  const name = inboundCluster(proxy.service.id, proxy.appPort);
  return {
    name,
    type: 'STATIC',
    connect_timeout: duration(APP_CONNECT_TIMEOUT_MS),
    per_connection_buffer_limit_bytes: wrapped(BUFFER_LIMIT_BYTES),
    load_assignment: {
      cluster_name: name,
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: socketAddress('127.0.0.1', proxy.appPort) } }] },
      ],
    },
    circuit_breakers: {
      thresholds: [
        {
          max_connections: wrapped(UNLIMITED),
          max_pending_requests: wrapped(UNLIMITED),
          max_requests: wrapped(UNLIMITED),
        },
      ],
    },
    typed_extension_protocol_options: httpOptions(applicationOptions(proxy.service)),
  };
}

function circuitBreakers({ policy, protocol }: ServiceNode): CircuitBreakersProto {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = policy.circuitBreakers;
  const { maxConnectionsPerInstance } = policy.circuitBreakers;
  return {
    ...(maxConnectionsPerInstance === null
      ? {}
      : { per_host_thresholds: [{ max_connections: wrapped(maxConnectionsPerInstance) }] }),
    thresholds: [
      {
        max_connections: wrapped(maxConnections),
        max_pending_requests: wrapped(maxPendingRequests),
        max_requests: wrapped(maxRequests),
        // Envoy: with a budget max_retries is not looked at.
        ...(maxRetries === null
          ? {
              retry_budget: {
                budget_percent: { value: policy.retries.budgetPercent },
                min_retry_concurrency: wrapped(MIN_RETRY_CONCURRENCY[protocol]),
              },
            }
          : { max_retries: wrapped(maxRetries) }),
      },
    ],
  };
}

/** Of what is allowed however little goes on. */
const MIN_RETRIES_PER_SECOND = 1;
const RETRY_INTERVAL_S = 10;

/** Ours: Envoy has no such options and ignores them (docs/differences.md). */
function ownOptions({ retries, circuitBreakers, outlierDetection }: TrafficPolicySettings): {
  metadata?: MetadataProto;
} {
  const options: Record<string, Readonly<Record<string, JsonValue>>> = {};
  if (circuitBreakers.maxRetries === null) {
    options['remora.retry_budget'] = {
      percent: retries.budgetPercent,
      interval_s: RETRY_INTERVAL_S,
      min_retries_per_second: MIN_RETRIES_PER_SECOND,
    };
  }
  if (outlierDetection?.grpcStatusFromTrailers === true) {
    options['remora.outlier_detection'] = { grpc_status_from_trailers: true };
  }
  const { errorRatio } = circuitBreakers;
  const isEmpty = Object.keys(options).length === 0 && errorRatio === null;
  if (isEmpty) return {};
  return {
    metadata: {
      ...(Object.keys(options).length === 0 ? {} : { filter_metadata: options }),
      ...(errorRatio === null
        ? {}
        : { typed_filter_metadata: errorRatioBreaker(errorRatio.scope, errorRatio) }),
    },
  };
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function peerOptions({ protocol, policy }: ServiceNode): UpstreamsHttpHttpProtocolOptionsProto {
  const { maxRequestsPerConnection } = policy.http2;
  return {
    common_http_protocol_options: {
      idle_timeout: duration(PEER_IDLE_MS),
      ...(maxRequestsPerConnection === null
        ? {}
        : { max_requests_per_connection: wrapped(maxRequestsPerConnection) }),
    },
    explicit_http_config:
      protocol === 'HTTP'
        ? { http_protocol_options: {} }
        : { http2_protocol_options: peerHttp2(policy.http2) },
  };
}

function applicationOptions({ protocol }: ServiceNode): UpstreamsHttpHttpProtocolOptionsProto {
  return protocol === 'HTTP'
    ? {
        common_http_protocol_options: { idle_timeout: duration(APP_HTTP1_IDLE_MS) },
        explicit_http_config: { http_protocol_options: {} },
      }
    : {
        common_http_protocol_options: { idle_timeout: duration(APP_HTTP2_IDLE_MS) },
        explicit_http_config: { http2_protocol_options: applicationHttp2 },
      };
}

function httpOptions(
  options: UpstreamsHttpHttpProtocolOptionsProto,
): NonNullable<ClusterProto['typed_extension_protocol_options']> {
  return { [HTTP_OPTIONS]: packAny(HTTP_OPTIONS, options) };
}
