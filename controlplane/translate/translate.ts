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
import type { GraphHistory } from '../graph/history.ts';
import { localityKey } from '../graph/locality.ts';
import { meshSettings } from '../model/defaults.ts';
import { translateInboundCluster, translateOutboundClusters } from './cluster.ts';
import { translateEndpoints } from './endpoint.ts';
import { Kept } from './kept.ts';
import { translateInboundListener, translateOutboundListener } from './listener.ts';
import { translateRoutes } from './route.ts';
import { type NodeCertificate, translateIdentity, translateRoots } from './secret.ts';

/** Everything one node gets, by kind and name. The keys are the short names of xDS types. */
export interface NodeResources {
  readonly cluster: ReadonlyMap<string, ClusterProto>;
  readonly endpoint: ReadonlyMap<string, ClusterLoadAssignmentProto>;
  readonly listener: ReadonlyMap<string, ListenerProto>;
  readonly route: ReadonlyMap<string, RouteConfigurationProto>;
  readonly secret: ReadonlyMap<string, SecretProto>;
}

type Messages<T> = ReadonlyMap<string, T>;

/**
 * One for all rounds: `begin` with each graph, then `resourcesOf` of its proxies. What did not change since the last round is the same
 * map as then; with a graph of thousands of services a round costs what has changed.
 */
export class Translator {
  readonly #history: GraphHistory;
  #graph: MeshGraph = { settings: meshSettings(undefined), services: [], proxies: new Map() };
  #serviceById: ReadonlyMap<string, ServiceNode> = new Map();
  /** By shape: nothing of them is about endpoints. */
  #clusters = new WeakMap<object, readonly ClusterProto[]>();
  /** Of a service, as callers of one locality see it. */
  #assignments = new WeakMap<ServiceNode, Map<string, readonly ClusterLoadAssignmentProto[]>>();
  // What several proxies have in common, by what makes it differ.
  readonly #clusterSets = new Kept<Messages<ClusterProto>>();
  readonly #endpointSets = new Kept<Messages<ClusterLoadAssignmentProto>>();
  readonly #listenerSets = new Kept<Messages<ListenerProto>>();
  readonly #routeSets = new Kept<Messages<RouteConfigurationProto>>();
  readonly #secrets = new WeakMap<NodeCertificate, Messages<SecretProto>>();
  readonly #roots = new Map<string, SecretProto>();

  /** `history` has seen every graph that `begin` is given, and made it. */
  constructor(history: GraphHistory) {
    this.#history = history;
  }

  begin(graph: MeshGraph): void {
    if (graph.settings !== this.#graph.settings) {
      this.#clusters = new WeakMap();
      this.#assignments = new WeakMap();
    }
    this.#graph = graph;
    this.#serviceById = new Map(graph.services.map((service) => [service.id, service]));
    for (const kept of [
      this.#clusterSets,
      this.#endpointSets,
      this.#listenerSets,
      this.#routeSets,
    ]) {
      kept.nextRound();
    }
  }

  /** Equal maps of two rounds are the same map; the secrets are those of the certificate object. */
  resourcesOf(proxy: ProxyNode, certificate: NodeCertificate): NodeResources {
    const { service, appPort, inboundPort, outboundPort } = proxy;
    const { settings } = this.#graph;
    const ports = `${service.id} ${appPort} ${inboundPort} ${outboundPort}`;
    const sees = service.visible === null ? '' : service.id;
    const own = () => [settings, this.#history.shapeOf(service)];
    return {
      cluster: this.#clusterSets.get(
        ports,
        () => [...own(), ...this.#shapes(this.#reachable(service))],
        () => this.#clustersFor(proxy),
      ),
      endpoint: this.#endpointSets.get(
        `${sees} ${localityKey(proxy.locality)}`,
        () => [settings, ...this.#reachable(service)],
        () => this.#endpointsFor(proxy),
      ),
      listener: this.#listenerSets.get(ports, own, () => this.#listenersFor(proxy)),
      route: this.#routeSets.get(
        `${service.namespace} ${sees}`,
        () => [settings, ...this.#shapes(this.#callable(service))],
        () => this.#routesFor(service),
      ),
      secret: this.#secretsOf(certificate),
    };
  }

  #clustersFor(proxy: ProxyNode): Messages<ClusterProto> {
    const outbound = this.#reachable(proxy.service).flatMap((service) =>
      made(this.#clusters, this.#history.shapeOf(service), () =>
        translateOutboundClusters(service),
      ),
    );
    return byName([...outbound, translateInboundCluster(proxy)], ({ name }) => name);
  }

  #endpointsFor({ service: caller, locality }: ProxyNode): Messages<ClusterLoadAssignmentProto> {
    const key = localityKey(locality);
    const all = this.#reachable(caller).flatMap((service) => {
      const byLocality = made(this.#assignments, service, () => new Map());
      return made(byLocality, key, () => translateEndpoints(service, locality));
    });
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

  #routesFor(caller: ServiceNode): Messages<RouteConfigurationProto> {
    const table = translateRoutes(this.#callable(caller), caller.namespace);
    return byName([table], ({ name }) => name);
  }

  #secretsOf(certificate: NodeCertificate): Messages<SecretProto> {
    const { rootsPem } = certificate;
    return made(this.#secrets, certificate, () => {
      const roots = made(this.#roots, rootsPem, () => translateRoots(rootsPem));
      return byName([translateIdentity(certificate), roots], ({ name }) => name);
    });
  }

  #reachable({ visible }: ServiceNode): readonly ServiceNode[] {
    return visible === null ? this.#graph.services : this.#servicesOf(visible.reachable);
  }

  #callable({ visible }: ServiceNode): readonly ServiceNode[] {
    return visible === null ? this.#graph.services : this.#servicesOf(visible.callable);
  }

  #servicesOf(ids: ReadonlySet<string>): ServiceNode[] {
    return [...ids].flatMap((id) => this.#serviceById.get(id) ?? []);
  }

  #shapes(services: readonly ServiceNode[]): object[] {
    return services.map((service) => this.#history.shapeOf(service));
  }
}

interface Cache<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
}

/** Made once for each key. */
function made<K, V>(cache: Cache<K, V>, key: K, make: () => V): V {
  let value = cache.get(key);
  if (value === undefined) {
    value = make();
    cache.set(key, value);
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
