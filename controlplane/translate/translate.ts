// Graph to xDS resources, per proxy. Pure: no clock, no I/O, no logger. What all proxies have in common
// is translated once per graph and shared by reference, so that it is also encoded and hashed once.

import type {
  ClusterLoadAssignmentProto,
  ClusterProto,
  ListenerProto,
  RouteConfigurationProto,
  SecretProto,
} from '../../proto/gen/types.ts';
import type { MeshGraph, ProxyNode, ServiceNode } from '../graph/graph.ts';
import { localityKey } from '../graph/locality.ts';
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

type Messages<T> = ReadonlyMap<string, T>;

export class Translator {
  readonly #graph: MeshGraph;
  readonly #serviceById: ReadonlyMap<string, ServiceNode>;
  /** Of each service. */
  readonly #clusters: ReadonlyMap<ServiceNode, readonly ClusterProto[]>;
  // What several proxies have in common, by what makes it differ.
  readonly #clusterSets = new Map<string, Messages<ClusterProto>>();
  readonly #endpointSets = new Map<string, Messages<ClusterLoadAssignmentProto>>();
  readonly #listenerSets = new Map<string, Messages<ListenerProto>>();
  readonly #routeSets = new Map<string, Messages<RouteConfigurationProto>>();
  /** Of each service, as callers of one locality see it. */
  readonly #assignments = new Map<string, readonly ClusterLoadAssignmentProto[]>();

  constructor(graph: MeshGraph) {
    this.#graph = graph;
    this.#serviceById = new Map(graph.services.map((service) => [service.id, service]));
    this.#clusters = new Map(
      graph.services.map((service) => [service, translateOutboundClusters(service)]),
    );
  }

  resourcesOf(proxy: ProxyNode, certificate: NodeCertificate): NodeResources {
    const { service, appPort, inboundPort, outboundPort } = proxy;
    const ports = `${service.id} ${appPort} ${inboundPort} ${outboundPort}`;
    const sees = service.visible === null ? '' : service.id;
    const locality = localityKey(proxy.locality);
    return {
      cluster: shared(this.#clusterSets, ports, () => this.#clustersFor(proxy)),
      endpoint: shared(this.#endpointSets, `${sees} ${locality}`, () => this.#endpointsFor(proxy)),
      listener: shared(this.#listenerSets, ports, () => this.#listenersFor(proxy)),
      route: shared(this.#routeSets, `${service.namespace} ${sees}`, () => this.#routesFor(proxy)),
      secret: translateSecrets(certificate),
    };
  }

  #clustersFor(proxy: ProxyNode): Messages<ClusterProto> {
    const outbound = this.#reachable(proxy).flatMap((service) => this.#clusters.get(service) ?? []);
    return byName([...outbound, translateInboundCluster(proxy)], ({ name }) => name);
  }

  #endpointsFor(proxy: ProxyNode): Messages<ClusterLoadAssignmentProto> {
    const { locality } = proxy;
    const key = localityKey(locality);
    const all = this.#reachable(proxy).flatMap((service) =>
      shared(this.#assignments, `${service.id} ${key}`, () =>
        translateEndpoints(service, locality),
      ),
    );
    return byName(all, (of) => of.cluster_name);
  }

  #listenersFor(proxy: ProxyNode): Messages<ListenerProto> {
    const { settings } = this.#graph;
    const listeners = [
      translateInboundListener(proxy, settings),
      translateOutboundListener(proxy, settings),
    ];
    return byName(listeners, ({ name }) => name);
  }

  #routesFor({ service: { namespace, visible } }: ProxyNode): Messages<RouteConfigurationProto> {
    const services = visible === null ? this.#graph.services : this.#servicesOf(visible.callable);
    return byName([translateRoutes(services, namespace)], ({ name }) => name);
  }

  #reachable({ service: { visible } }: ProxyNode): readonly ServiceNode[] {
    return visible === null ? this.#graph.services : this.#servicesOf(visible.reachable);
  }

  #servicesOf(ids: ReadonlySet<string>): ServiceNode[] {
    return [...ids].flatMap((id) => this.#serviceById.get(id) ?? []);
  }
}

/** Made once for each key. */
function shared<T>(made: Map<string, T>, key: string, make: () => T): T {
  let value = made.get(key);
  if (value === undefined) {
    value = make();
    made.set(key, value);
  }
  return value;
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
