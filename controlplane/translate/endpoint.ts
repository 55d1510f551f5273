// EDS: one load assignment for a whole service and one for each of its versions, as callers in one locality get them:
// instances by locality, the nearest first (priorities), so that calls stay near while there is somebody to answer.

import type {
  ClusterLoadAssignmentProto,
  LocalityLbEndpointsProto,
} from '../../proto/gen/types.ts';
import type { EndpointNode, ServiceNode } from '../graph/graph.ts';
import { distance, type LocalityNode, localityKey } from '../graph/locality.ts';
import { outboundCluster } from './names.ts';
import { socketAddress, wrapped } from './well-known.ts';

export function translateEndpoints(
  service: ServiceNode,
  caller: LocalityNode,
): ClusterLoadAssignmentProto[] {
  return [null, ...service.versions].map((version) => ({
    cluster_name: outboundCluster(service.id, service.port, version),
    endpoints: localities(
      service.endpoints.filter((endpoint) => version === null || endpoint.version === version),
      service.policy.loadBalancing.locality === 'FAILOVER' && localityKey(caller) !== ''
        ? caller
        : null,
    ),
  }));
}

/** `caller` null = all are as near. */
function localities(
  endpoints: readonly EndpointNode[],
  caller: LocalityNode | null,
): LocalityLbEndpointsProto[] {
  const groups = new Map<string, EndpointNode[]>();
  for (const endpoint of endpoints) {
    const key = localityKey(endpoint.locality);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [endpoint]);
    else group.push(endpoint);
  }
  const near = [...groups.values()].map((group) => ({
    group,
    away: caller === null ? 0 : distance(caller, group[0]!.locality),
  }));
  // Envoy wants priorities without gaps.
  const distances = [...new Set(near.map(({ away }) => away))].sort();
  return near.map(({ group, away }) => {
    const priority = distances.indexOf(away);
    return {
      locality: localityProto(group[0]!.locality),
      lb_endpoints: group.map((endpoint) => ({
        endpoint: { address: socketAddress(endpoint.address, endpoint.port) },
        load_balancing_weight: wrapped(endpoint.weight),
      })),
      ...(priority === 0 ? {} : { priority }),
    };
  });
}

function localityProto({
  region,
  zone,
  subZone,
}: LocalityNode): LocalityLbEndpointsProto['locality'] {
  return {
    ...(region === '' ? {} : { region }),
    ...(zone === '' ? {} : { zone }),
    ...(subZone === '' ? {} : { sub_zone: subZone }),
  };
}
