// EDS for proxyless gRPC clients (gRFC A27, A42): as for sidecars, but every locality has a weight (one without would
// be dropped), and addresses are unique. Round robin in gRPC knows no weights of endpoints, so endpoints of one
// place with different weights go into one locality per weight: localities it does choose by weight. A hash ring
// does know them.

import type {
  ClusterLoadAssignmentProto,
  LbEndpointProto,
  LocalityLbEndpointsProto,
} from '../../../proto/gen/types.ts';
import type { ServiceNode } from '../../graph/graph.ts';
import type { LocalityNode } from '../../graph/locality.ts';
import { translateEndpoints } from '../endpoint.ts';
import { wrapped } from '../well-known.ts';

export function grpcEndpoints(
  service: ServiceNode,
  caller: LocalityNode,
): ClusterLoadAssignmentProto[] {
  const isRing = service.policy.loadBalancing.policy === 'CONSISTENT_HASH';
  return translateEndpoints(service, caller).map((assignment) => {
    const seen = new Set<string>();
    const endpoints = (assignment.endpoints ?? []).flatMap((locality) => {
      const own = (locality.lb_endpoints ?? []).filter((endpoint) => isNew(endpoint, seen));
      // What is left may be nothing: all of it stands in another locality.
      if (own.length === 0) return [];
      return isRing ? [withWeight(locality, own)] : byWeight(locality, own);
    });
    return { ...assignment, endpoints };
  });
}

function isNew({ endpoint }: LbEndpointProto, seen: Set<string>): boolean {
  const key = JSON.stringify(endpoint?.address);
  return seen.size < seen.add(key).size;
}

function byWeight(
  locality: LocalityLbEndpointsProto,
  own: readonly LbEndpointProto[],
): LocalityLbEndpointsProto[] {
  const groups = new Map<number, LbEndpointProto[]>();
  for (const endpoint of own) {
    const weight = weightOf(endpoint);
    groups.set(weight, [...(groups.get(weight) ?? []), endpoint]);
  }
  if (groups.size === 1) return [withWeight(locality, own)];
  return [...groups].map(([weight, endpoints]) => {
    const { locality: place } = locality;
    // One locality and priority may be there only once.
    const subZone = `${place?.sub_zone ?? ''}#weight=${weight}`;
    return withWeight({ ...locality, locality: { ...place, sub_zone: subZone } }, endpoints);
  });
}

function withWeight(
  locality: LocalityLbEndpointsProto,
  endpoints: readonly LbEndpointProto[],
): LocalityLbEndpointsProto {
  const weight = endpoints.reduce((sum, endpoint) => sum + weightOf(endpoint), 0);
  return { ...locality, lb_endpoints: endpoints, load_balancing_weight: wrapped(weight) };
}

function weightOf(endpoint: LbEndpointProto): number {
  return endpoint.load_balancing_weight?.value ?? 1;
}
