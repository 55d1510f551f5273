// Which nodes there should be (the graph) and what each has answered (the ack trackers), as one list: the body of
// GET /v1/proxy-status.

import type { Clock } from '../../common/clock.ts';
import type { NodeStatus, SyncStatus, TypeStatus } from '../ads/ack-tracker.ts';
import type { EndpointNode, MeshGraph, ServiceNode } from '../graph/graph.ts';
import type { NodeInspector } from './node-inspector.ts';
import { coreKinds, typeName } from './type-names.ts';

/** How far one node is, per xDS type. */
export interface ProxyStatus {
  readonly node: string;
  /** '' for a client that is no instance of a Service. */
  readonly service: string;
  readonly version: string | null;
  readonly address: string;
  /** `envoy/1.40.0`; '' = it never came. */
  readonly client: string;
  /** Null while no stream is open. */
  readonly stream: {
    readonly protocol: 'delta' | 'sotw';
    readonly connectedSeconds: number;
  } | null;
  /** By short name: the five of every mesh (CDS...), and others that the node was sent. */
  readonly types: Readonly<Record<string, ProxyTypeStatus>>;
  /** What the node waits for, or is waited for with; the oldest first. */
  readonly waits: readonly ProxyWait[];
}

export interface ProxyTypeStatus {
  /**
   * SYNCED = everything was acknowledged; STALE = something is newer than what was acknowledged; NACKED =
   * refused; NOT_SENT = nothing was sent.
   */
  readonly state: SyncStatus;
  /** ISO time since when it is so; null = unknown. */
  readonly since: string | null;
  readonly sentVersion: string;
  readonly acceptedVersion: string;
  /** error_detail of the last NACK that still stands. */
  readonly error: string | null;
}

export interface ProxyWait {
  readonly type: string;
  /** '' = the type as a whole. */
  readonly name: string;
  readonly reason: 'missing' | 'unanswered';
  readonly seconds: number;
}

/** Sorted by node id. */
export function proxyStatuses(
  graph: MeshGraph | null,
  inspector: Pick<NodeInspector, 'nodes' | 'waits'>,
  clock: Clock,
): ProxyStatus[] {
  const known = inspector.nodes();
  const statuses: ProxyStatus[] = [];
  const facts = (status: NodeStatus | undefined) => xdsFacts(status ?? null, inspector, clock);
  for (const service of graph?.services ?? []) {
    for (const endpoint of service.endpoints) {
      const { nodeId } = endpoint;
      statuses.push({ node: nodeId, ...instance(service, endpoint), ...facts(known.get(nodeId)) });
      known.delete(nodeId);
    }
  }
  for (const [node, status] of known) {
    // Nodes that left are no longer anybody's concern; who is connected is.
    if (!status.isConnected) continue;
    const { address } = status;
    statuses.push({ node, service: '', version: null, address, ...facts(status) });
  }
  return statuses.sort((left, right) => (left.node < right.node ? -1 : 1));
}

function instance(service: ServiceNode, { version, address, port }: EndpointNode) {
  const host = address.includes(':') ? `[${address}]` : address;
  return { service: service.id, version, address: `${host}:${port}` };
}

function xdsFacts(
  status: NodeStatus | null,
  inspector: Pick<NodeInspector, 'waits'>,
  clock: Clock,
): Pick<ProxyStatus, 'client' | 'stream' | 'types' | 'waits'> {
  const nowMs = clock.wallMs();
  const seconds = (sinceMs: number) => Math.max(0, (nowMs - sinceMs) / 1000);
  const types: Record<string, ProxyTypeStatus> = {};
  for (const kind of coreKinds) types[typeName(kind)] = typeStatus(undefined);
  for (const type of status?.types ?? []) {
    const name = typeName(type.kind);
    if (types[name] !== undefined || type.status !== 'NOT_SENT') types[name] = typeStatus(type);
  }
  return {
    client: status?.userAgent ?? '',
    stream:
      status === null || !status.isConnected
        ? null
        : { protocol: status.protocol, connectedSeconds: seconds(status.sinceMs) },
    types,
    waits: (status === null ? [] : inspector.waits(status)).map(
      ({ kind, name, reason, sinceMs }) => ({
        ...{ type: typeName(kind), name, reason, seconds: seconds(sinceMs) },
      }),
    ),
  };
}

function typeStatus(type: TypeStatus | undefined): ProxyTypeStatus {
  const sinceMs = type?.sinceMs ?? 0;
  return {
    state: type?.status ?? 'NOT_SENT',
    since: sinceMs === 0 ? null : new Date(sinceMs).toISOString(),
    sentVersion: type?.sentVersion ?? '',
    acceptedVersion: type?.ackedSet?.version ?? '',
    error: type?.nack?.reason ?? null,
  };
}
