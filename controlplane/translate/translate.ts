// Graph to xDS resources, per proxy. Pure: no clock, no I/O, no logger. What all proxies have in common
// is translated once per graph and shared by reference, so that it is also encoded and hashed once.

import type {
  ClusterLoadAssignmentProto,
  ClusterProto,
  ListenerProto,
  RouteConfigurationProto,
  SecretProto,
} from '../../proto/gen/types.ts';
import type { MeshGraph, ProxyNode } from '../graph/graph.ts';
import { type LocalityNode, localityKey } from '../graph/locality.ts';
import { translateInboundCluster, translateOutboundClusters } from './cluster.ts';
import { translateEndpoints } from './endpoint.ts';
import { translateInboundListener, translateOutboundListener } from './listener.ts';
import { translateRoutes } from './route.ts';
import { type NodeCertificate, translateSecrets } from './secret.ts';

/** Everything one node gets, by kind and name. The keys are the short names of xDS types. */
export interface NodeResources {
  readonly cluster: ReadonlyMap<string, ClusterProto>;
  readonly endpoint: ReadonlyMap<string, ClusterLoadAssignmentProto>;
  readonly listener: ReadonlyMap<string, ListenerProto>;
  readonly route: ReadonlyMap<string, RouteConfigurationProto>;
  readonly secret: ReadonlyMap<string, SecretProto>;
}

export class Translator {
  readonly #graph: MeshGraph;
  readonly #clusters: ReadonlyMap<string, ClusterProto>;
  /** By the caller's locality. */
  readonly #endpoints = new Map<string, ReadonlyMap<string, ClusterLoadAssignmentProto>>();
  readonly #routesByNamespace = new Map<string, ReadonlyMap<string, RouteConfigurationProto>>();

  constructor(graph: MeshGraph) {
    this.#graph = graph;
    this.#clusters = byName(
      graph.services.flatMap(translateOutboundClusters),
      (cluster) => cluster.name,
    );
  }

  resourcesOf(proxy: ProxyNode, certificate: NodeCertificate): NodeResources {
    const { settings } = this.#graph;
    const inboundCluster = translateInboundCluster(proxy);
    const listeners = [
      translateInboundListener(proxy, settings),
      translateOutboundListener(proxy, settings),
    ];
    return {
      cluster: new Map([...this.#clusters, [inboundCluster.name ?? '', inboundCluster]]),
      endpoint: this.#endpointsFor(proxy.locality),
      listener: byName(listeners, (listener) => listener.name),
      route: this.#routesOf(proxy.service.namespace),
      secret: translateSecrets(certificate),
    };
  }

  #endpointsFor(caller: LocalityNode): ReadonlyMap<string, ClusterLoadAssignmentProto> {
    const key = localityKey(caller);
    let endpoints = this.#endpoints.get(key);
    if (endpoints === undefined) {
      const all = this.#graph.services.flatMap((service) => translateEndpoints(service, caller));
      endpoints = byName(all, (of) => of.cluster_name);
      this.#endpoints.set(key, endpoints);
    }
    return endpoints;
  }

  #routesOf(namespace: string): ReadonlyMap<string, RouteConfigurationProto> {
    let routes = this.#routesByNamespace.get(namespace);
    if (routes === undefined) {
      routes = byName([translateRoutes(this.#graph, namespace)], (config) => config.name);
      this.#routesByNamespace.set(namespace, routes);
    }
    return routes;
  }
}

/** By their names; throws when one is missing or twice. */
export function byName<T>(
  items: readonly T[],
  nameOf: (item: T) => string | undefined,
): Map<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    const name = nameOf(item);
    if (name === undefined || map.has(name))
      throw new Error(`resource name missing or twice: ${name}`);
    map.set(name, item);
  }
  return map;
}
