// Which nodes there should be (the graph) and what each has answered (the ack trackers), as one list.

import type { Clock } from '../../common/clock.ts';
import type { AckTracker, NodeStatus } from '../ads/ack-tracker.ts';
import type { MeshGraph } from '../graph/graph.ts';
import { type ProxyStatus, type TypeStatus, type XdsType, xdsTypes } from './dependencies.ts';

const kindOf = {
  CDS: 'cluster',
  EDS: 'endpoint',
  SDS: 'secret',
  LDS: 'listener',
  RDS: 'route',
} as const satisfies Record<XdsType, string>;

/** Sorted by node id. `trackers`: one per port; of a node in several the connected, then the latest counts. */
export function proxyStatuses(
  graph: MeshGraph | null,
  trackers: readonly Pick<AckTracker, 'node'>[],
  clock: Clock,
): ProxyStatus[] {
  const statuses: ProxyStatus[] = [];
  for (const service of graph?.services ?? []) {
    for (const endpoint of service.endpoints) {
      const acks = latest(trackers.map((tracker) => tracker.node(endpoint.nodeId)));
      statuses.push({
        node: endpoint.nodeId,
        service: service.id,
        version: endpoint.version,
        address: `${endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address}:${endpoint.port}`,
        stream:
          acks === null || !acks.isConnected
            ? null
            : {
                protocol: acks.protocol,
                connectedSeconds: Math.max(0, (clock.wallMs() - acks.sinceMs) / 1000),
              },
        types: typesOf(acks),
      });
    }
  }
  return statuses.sort((left, right) => (left.node < right.node ? -1 : 1));
}

function latest(found: readonly (NodeStatus | null)[]): NodeStatus | null {
  let best: NodeStatus | null = null;
  for (const status of found) {
    if (status === null) continue;
    const isBetter =
      best === null ||
      (status.isConnected && !best.isConnected) ||
      (status.isConnected === best.isConnected && status.sinceMs > best.sinceMs);
    if (isBetter) best = status;
  }
  return best;
}

function typesOf(acks: NodeStatus | null): Record<XdsType, TypeStatus> {
  const entries = xdsTypes.map((type): [XdsType, TypeStatus] => {
    const known = acks?.types.find((status) => status.kind === kindOf[type]);
    return [type, { state: known?.status ?? 'NOT SENT', error: known?.nack?.reason ?? null }];
  });
  // Every type is a key.
  return Object.fromEntries(entries) as Record<XdsType, TypeStatus>;
}
