// The load of the mesh's Services, from what sidecars report of clusters: the body of GET /v1/load.

import type { MeshGraph } from '../graph/graph.ts';
import { outboundCluster } from '../translate/names.ts';
import type { ClusterLoad, LoadStore, LocalityLoad } from './load-store.ts';

export interface ServiceLoad extends Omit<ClusterLoad, 'localities'> {
  /** `orders.default`; '' for a cluster of which the mesh knows no Service. */
  readonly service: string;
  /** Null = calls that may go to every version. */
  readonly version: string | null;
  readonly localities: readonly LocalityLoad[];
}

/**
 * One entry per Service that callers reach, and one more per version that routes name; idle ones without localities.
 * Other clusters that are reported follow.
 */
export function loadsByService(
  graph: MeshGraph | null,
  store: Pick<LoadStore, 'loads'>,
): ServiceLoad[] {
  const reported = new Map(store.loads().map((load) => [load.cluster, load]));
  const loads: ServiceLoad[] = [];
  for (const service of graph?.services ?? []) {
    for (const version of [null, ...service.versions]) {
      const cluster = outboundCluster(service.id, service.port, version);
      const load = reported.get(cluster);
      reported.delete(cluster);
      if (load === undefined && version !== null) continue;
      const idle = { cluster, droppedPerSecond: 0, localities: [] };
      loads.push({ service: service.id, version, ...(load ?? idle) });
    }
  }
  for (const load of reported.values()) loads.push({ service: '', version: null, ...load });
  return loads;
}
