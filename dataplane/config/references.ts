// What a compiled cluster or listener needs before it can serve: the names that EDS, RDS and SDS must
// bring. xds/ subscribes to them and holds the resource back until they are there.

import type { ClusterConfig } from '../api/config/cluster.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
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
