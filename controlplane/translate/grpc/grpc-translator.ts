// Graph to the resources of proxyless gRPC clients, per profile. Pure, like translate.ts beside it: what profiles have in
// common is translated once per graph and shared by reference. Only services that speak HTTP/2 are there for gRPC.

import type {
  ClusterLoadAssignmentProto,
  ClusterProto,
  ListenerProto,
  RouteConfigurationProto,
} from '../../../proto/gen/types.ts';
import type { MeshGraph, ServiceNode } from '../../graph/graph.ts';
import { type LocalityNode, localityKey } from '../../graph/locality.ts';
import { byName, type NodeResources } from '../translate.ts';
import { isGrpcCallable } from './callable.ts';
import { type GrpcClusterOptions, grpcClusters } from './cluster.ts';
import { grpcEndpoints } from './endpoint.ts';
import { grpcClientListeners, grpcServerListeners } from './listener.ts';
import type { GrpcProfile } from './profile.ts';
import type { Removals } from './removals.ts';
import { grpcRoutes } from './route.ts';

const noSecrets: NodeResources['secret'] = new Map();

export class GrpcTranslator {
  readonly #graph: MeshGraph;
  readonly #removals: Removals;
  readonly #services: readonly ServiceNode[];
  readonly #clusters = new Map<string, ReadonlyMap<string, ClusterProto>>();
  readonly #endpoints = new Map<string, ReadonlyMap<string, ClusterLoadAssignmentProto>>();
  readonly #listeners = new Map<string, ReadonlyMap<string, ListenerProto>>();
  #routes: ReadonlyMap<string, RouteConfigurationProto> | null = null;

  /** `removals` has seen `graph`. */
  constructor(graph: MeshGraph, removals: Removals) {
    this.#graph = graph;
    this.#removals = removals;
    this.#services = graph.services.filter(isGrpcCallable);
  }

  resourcesOf(profile: GrpcProfile): NodeResources {
    this.#routes ??= byName(this.#services.map(grpcRoutes), (table) => table.name);
    return {
      cluster: this.#clustersOf(profile),
      endpoint: this.#endpointsFor(profile.locality),
      listener: this.#listenersOf(profile),
      route: this.#routes,
      secret: noSecrets,
    };
  }

  #clustersOf(options: GrpcClusterOptions): ReadonlyMap<string, ClusterProto> {
    return cached(this.#clusters, `${options.dialect} ${options.hasCertificates}`, () =>
      byName(
        this.#services.flatMap((service) =>
          grpcClusters(service, options, this.#removals.of(service.id)),
        ),
        (cluster) => cluster.name,
      ),
    );
  }

  #endpointsFor(caller: LocalityNode): ReadonlyMap<string, ClusterLoadAssignmentProto> {
    return cached(this.#endpoints, localityKey(caller), () =>
      byName(
        this.#services.flatMap((service) => grpcEndpoints(service, caller)),
        (assignment) => assignment.cluster_name,
      ),
    );
  }

  #listenersOf(profile: GrpcProfile): ReadonlyMap<string, ListenerProto> {
    const { namespace, nodeId } = profile;
    const forCalls = cached(this.#listeners, namespace, () =>
      byName(
        this.#services.flatMap((service) =>
          grpcClientListeners(service, namespace, this.#removals.of(service.id)),
        ),
        (listener) => listener.name,
      ),
    );
    const proxy = nodeId === null ? undefined : this.#graph.proxies.get(nodeId);
    const own = proxy?.service.endpoints.find((endpoint) => endpoint.nodeId === nodeId);
    if (proxy === undefined || own === undefined) return forCalls;
    const forServer = grpcServerListeners(proxy, own.address, this.#graph.settings, profile);
    return new Map([...forCalls, ...byName(forServer, (listener) => listener.name)]);
  }
}

function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
