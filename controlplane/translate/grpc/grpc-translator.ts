// Graph to the resources of proxyless gRPC clients, per profile. Pure, like translate.ts beside it, and like there what
// did not change since the last round is the same map as then. Only services that speak HTTP/2 are there for gRPC.

import type {
  ClusterLoadAssignmentProto,
  ClusterProto,
  ListenerProto,
  RouteConfigurationProto,
} from '../../../proto/gen/types.ts';
import type { MeshGraph, ProxyNode, ServiceNode } from '../../graph/graph.ts';
import type { GraphHistory } from '../../graph/history.ts';
import { localityKey } from '../../graph/locality.ts';
import { Kept } from '../kept.ts';
import { byName, type NodeResources } from '../translate.ts';
import { isGrpcCallable } from './callable.ts';
import { grpcClusters } from './cluster.ts';
import { grpcEndpoints } from './endpoint.ts';
import { grpcClientListeners, grpcServerListeners } from './listener.ts';
import type { GrpcProfile } from './profile.ts';
import { Removals } from './removals.ts';
import { grpcRoutes } from './route.ts';

type Messages<T> = ReadonlyMap<string, T>;

const noSecrets: NodeResources['secret'] = new Map();

/** One for all rounds: `begin` with each graph, then `resourcesOf`, also between two rounds. */
export class GrpcTranslator {
  readonly #history: GraphHistory;
  readonly #removals = new Removals();
  readonly #clusters = new Kept<Messages<ClusterProto>>();
  readonly #endpoints = new Kept<Messages<ClusterLoadAssignmentProto>>();
  readonly #listeners = new Kept<Messages<ListenerProto>>();
  readonly #serverListeners = new Kept<Messages<ListenerProto>>();
  readonly #routes = new Kept<Messages<RouteConfigurationProto>>();
  #services: readonly ServiceNode[] = [];
  #graph: MeshGraph | null = null;

  /** `history` has made every graph that `begin` is given. */
  constructor(history: GraphHistory) {
    this.#history = history;
  }

  begin(graph: MeshGraph): void {
    this.#graph = graph;
    this.#services = graph.services.filter(isGrpcCallable);
    this.#removals.see(graph);
    for (const kept of [
      this.#clusters,
      this.#endpoints,
      this.#listeners,
      this.#serverListeners,
      this.#routes,
    ]) {
      kept.nextRound();
    }
  }

  resourcesOf(profile: GrpcProfile): NodeResources {
    const services = this.#services;
    const { dialect, hasCertificates, locality } = profile;
    // A service that was gone is another object when it is back: its count of removals needs no place of its own.
    const shapes = () => services.map((service) => this.#history.shapeOf(service));
    return {
      cluster: this.#clusters.get(`${dialect} ${hasCertificates}`, shapes, () =>
        byName(
          services.flatMap((service) =>
            grpcClusters(service, profile, this.#removals.of(service.id)),
          ),
          ({ name }) => name,
        ),
      ),
      endpoint: this.#endpoints.get(
        localityKey(locality),
        () => services,
        () =>
          byName(
            services.flatMap((service) => grpcEndpoints(service, locality)),
            (assignment) => assignment.cluster_name,
          ),
      ),
      listener: this.#listenersOf(profile, shapes),
      route: this.#routes.get('', shapes, () =>
        byName(services.map(grpcRoutes), ({ name }) => name),
      ),
      secret: noSecrets,
    };
  }

  #listenersOf(profile: GrpcProfile, shapes: () => readonly object[]): Messages<ListenerProto> {
    const { namespace, nodeId } = profile;
    const forCalls = this.#listeners.get(namespace, shapes, () =>
      byName(
        this.#services.flatMap((service) =>
          grpcClientListeners(service, namespace, this.#removals.of(service.id)),
        ),
        ({ name }) => name,
      ),
    );
    const proxy = nodeId === null ? undefined : this.#graph?.proxies.get(nodeId);
    if (proxy === undefined) return forCalls;
    return this.#serverListeners.get(
      `${nodeId} ${profile.hasCertificates}`,
      () => [forCalls, proxy, this.#graph?.settings],
      () => new Map([...forCalls, ...this.#forServer(proxy, profile)]),
    );
  }

  #forServer(proxy: ProxyNode, profile: GrpcProfile): Messages<ListenerProto> {
    const own = proxy.service.endpoints.find(({ nodeId }) => nodeId === proxy.nodeId);
    if (own === undefined || this.#graph === null) return new Map();
    return byName(
      grpcServerListeners(proxy, own.address, this.#graph.settings, profile),
      ({ name }) => name,
    );
  }
}
