// What a compiled resource needs before it can serve: clusters and listeners the names that EDS, RDS and SDS must
// bring, to which xds/ subscribes; routes the clusters that they lead to, which should be warm before.

import type { ClusterConfig } from '../api/config/cluster.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { RouteConfigData } from '../api/config/route.ts';
import type { CommonTlsConfig, DownstreamTlsConfig } from '../api/config/tls.ts';
import type { ResourceKind, ResourceReference } from '../api/resource-compiler.ts';

const HCM = 'envoy.filters.network.http_connection_manager';

export function clusterReferences(cluster: ClusterConfig): readonly ResourceReference[] {
  const references = new References();
  if (cluster.type === 'EDS') references.add('endpoint', cluster.edsServiceName);
  references.addTls(cluster.tls);
  return references.list;
}

export function listenerReferences(listener: ListenerConfig): readonly ResourceReference[] {
  const references = new References();
  const { filterChains, defaultFilterChain } = listener;
  for (const chain of defaultFilterChain === null
    ? filterChains
    : [...filterChains, defaultFilterChain]) {
    references.addTls(chain.tls);
    references.addTicketKeys(chain.tls);
    for (const filter of chain.filters) {
      if (filter.extension !== HCM) continue;
      const { routes, statPrefix } = filter.data as HcmConfig; // what that extension's half makes
      if (routes.kind === 'rds') references.add('route', routes.name, { statPrefix });
    }
  }
  return references.list;
}

/** Those that it names; what a header names comes with the requests. */
export function routeReferences({ virtualHosts }: RouteConfigData): readonly ResourceReference[] {
  const references = new References();
  for (const { routes } of virtualHosts) {
    for (const { action } of routes) {
      if (action.kind !== 'route') continue;
      const { cluster } = action;
      if (cluster.kind === 'cluster') references.add('cluster', cluster.name);
      else if (cluster.kind === 'weighted') {
        for (const { name } of cluster.clusters) references.add('cluster', name);
      }
    }
  }
  return references.list;
}

class References {
  readonly list: ResourceReference[] = [];
  readonly #seen = new Set<string>();

  add(kind: ResourceKind, name: string, more: Pick<ResourceReference, 'statPrefix'> = {}): void {
    const key = `${kind} ${name}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push({ kind, name, ...more });
  }

  addTicketKeys(tls: DownstreamTlsConfig | null): void {
    if (tls?.sessionTickets.kind === 'sds') this.add('secret', tls.sessionTickets.name);
  }

  addTls(tls: CommonTlsConfig | null): void {
    if (tls === null) return;
    for (const certificate of tls.certificates) {
      if (certificate.kind === 'sds') this.add('secret', certificate.name);
    }
    if (tls.validation.sdsName !== null) this.add('secret', tls.validation.sdsName);
  }
}
