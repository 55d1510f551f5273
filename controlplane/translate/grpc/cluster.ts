// CDS for proxyless gRPC clients: EDS clusters of the same names as those of sidecars, with what of the policy gRPC
// can do (gRFC A27, A29, A32, A50, A52). What it cannot is named in limits.ts.

import { packAny } from '../../../proto/any.ts';
import type {
  ClusterProto,
  LoadBalancingPolicyProto,
  OutlierDetectionProto,
  TransportSocketProto,
} from '../../../proto/gen/types.ts';
import type { ServiceNode } from '../../graph/graph.ts';
import type { OutlierSettings, TrafficPolicySettings } from '../../model/defaults.ts';
import { outboundCluster } from '../names.ts';
import { comparingOutlierDetection } from '../outlier-detection.ts';
import { adsSource, wrapped } from '../well-known.ts';
import { CERTIFICATE_PROVIDER, type GrpcDialect } from './profile.ts';

export interface GrpcClusterOptions {
  readonly dialect: GrpcDialect;
  /** mTLS; else plaintext. */
  readonly hasCertificates: boolean;
}

/** One of all instances, one per version. `removals`: see removals.ts. */
export function grpcClusters(
  service: ServiceNode,
  options: GrpcClusterOptions,
  removals: number,
): ClusterProto[] {
  const { policy } = service;
  // One call more or less is the least that grpc-js takes for a change.
  const maxRequests =
    policy.circuitBreakers.maxRequests + (options.dialect === 'node' ? removals % 2 : 0);
  return [null, ...service.versions].map((version): ClusterProto => {
    const name = outboundCluster(service.id, service.port, version);
    return {
      name,
      type: 'EDS',
      eds_cluster_config: { eds_config: adsSource, service_name: name },
      // gRPC reports the load of a cluster to the server that this names, and knows no other (gRFC A27).
      lrs_server: { self: {} },
      ...balancing(policy.loadBalancing, options.dialect),
      circuit_breakers: {
        thresholds: [{ max_requests: wrapped(maxRequests) }],
      },
      ...outlierDetection(policy.outlierDetection),
      ...(options.hasCertificates ? { transport_socket: upstreamTls(service.spiffeId) } : {}),
    };
  });
}

const policies = 'envoy.extensions.load_balancing_policies';

function balancing(
  { policy, choiceCount }: TrafficPolicySettings['loadBalancing'],
  dialect: GrpcDialect,
): Partial<ClusterProto> {
  if (policy === 'CONSISTENT_HASH') return { lb_policy: 'RING_HASH' };
  // What all of them know, and have without a list.
  const plain = { lb_policy: 'ROUND_ROBIN' } as const;
  if (dialect === 'node') return plain;
  switch (policy) {
    case 'LEAST_REQUEST':
    case 'PEAK_EWMA':
      return {
        ...plain,
        ...choice(
          packAny(`${policies}.least_request.v3.LeastRequest`, {
            choice_count: wrapped(choiceCount),
          }),
        ),
      };
    case 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN':
      return {
        ...plain,
        ...choice(
          packAny(
            `${policies}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`,
            {},
          ),
        ),
      };
    case 'RANDOM':
    case 'ROUND_ROBIN':
      return plain;
  }
}

/** `first`, else round robin: an implementation takes the first that it knows. Localities by weight either way. */
function choice(first: ReturnType<typeof packAny>): Partial<ClusterProto> {
  const roundRobin = packAny(`${policies}.round_robin.v3.RoundRobin`, {});
  const inLocality = list(first, roundRobin);
  const byLocality = packAny(`${policies}.wrr_locality.v3.WrrLocality`, {
    endpoint_picking_policy: inLocality,
  });
  return { load_balancing_policy: list(byLocality) };
}

function list(...configs: readonly ReturnType<typeof packAny>[]): LoadBalancingPolicyProto {
  return {
    policies: configs.map((config) => ({
      typed_extension_config: { name: config.type_name, typed_config: config },
    })),
  };
}

/** Only the two statistical kinds exist in gRPC; without them there is nothing to send. */
function outlierDetection(settings: OutlierSettings | null): {
  outlier_detection?: OutlierDetectionProto;
} {
  if (settings === null) return {};
  if (settings.failurePercentage === null && settings.successRate === null) return {};
  return { outlier_detection: comparingOutlierDetection(settings) };
}

/** The provider by its name only: gRPC refuses SDS, tls_params and ALPN lists. SANs in the old, untyped form. */
function upstreamTls(spiffeId: string): TransportSocketProto {
  const instance = { instance_name: CERTIFICATE_PROVIDER };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: packAny('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      common_tls_context: {
        tls_certificate_provider_instance: instance,
        validation_context: {
          ca_certificate_provider_instance: instance,
          match_subject_alt_names: [{ exact: spiffeId }],
        },
      },
    }),
  };
}
