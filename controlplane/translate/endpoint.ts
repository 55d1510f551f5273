// EDS: one load assignment for a whole service and one for each of its versions.

import type { ClusterLoadAssignmentProto } from '../../proto/gen/types.ts';
import type { EndpointNode, ServiceNode } from '../graph/graph.ts';
import { outboundCluster } from './names.ts';
import { socketAddress, wrapped } from './well-known.ts';

export function translateEndpoints(service: ServiceNode): ClusterLoadAssignmentProto[] {
  return [null, ...service.versions].map((version) => ({
    cluster_name: outboundCluster(service.id, service.port, version),
    endpoints: localities(
      service.endpoints.filter((endpoint) => version === null || endpoint.version === version),
    ),
  }));
}

function localities(
  endpoints: readonly EndpointNode[],
): NonNullable<ClusterLoadAssignmentProto['endpoints']> {
  if (endpoints.length === 0) return [];
  const lbEndpoints = endpoints.map((endpoint) => ({
    endpoint: { address: socketAddress(endpoint.address, endpoint.port) },
    load_balancing_weight: wrapped(endpoint.weight),
  }));
  return [{ locality: {}, lb_endpoints: lbEndpoints }];
}
