// envoy.clusters.dynamic_forward_proxy: the host is the one that the request (or the SNI of a connection) names, if the
// DNS cache knows it; the HTTP filter of the same name loads it before. Envoy: DynamicForwardProxy::Cluster.

import type { DnsCacheEntry } from '../../api/dns-cache.ts';
import type { LoadBalancerContext } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import type { HostProvider, OwnHosts } from '../host-provider.ts';
import { type DnsCacheListener, hostKey, type WorkerDnsCache } from './worker-dns-caches.ts';

export interface ProxiedHostsParts {
  readonly cache: WorkerDnsCache;
  /** Of names without one: 443 where the cluster has TLS, else 80. */
  readonly defaultPort: number;
  readonly hosts: OwnHosts;
}

interface Proxied {
  readonly host: UpstreamHost;
  entry: DnsCacheEntry;
}

/** See the file head. */
export class ProxiedHosts implements HostProvider, DnsCacheListener {
  readonly #parts: ProxiedHostsParts;
  /** By `name:port`; no more than the cache has. */
  readonly #hosts = new Map<string, Proxied>();

  constructor(parts: ProxiedHostsParts) {
    this.#parts = parts;
    parts.cache.addListener(this);
  }

  choose({ requestHeaders, downstreamConnection }: LoadBalancerContext): UpstreamHost | null {
    const { cache, defaultPort, hosts } = this.#parts;
    const authority = requestHeaders?.authority ?? downstreamConnection?.requestedServerName ?? '';
    if (authority === '') return null;
    const key = hostKey(authority, defaultPort);
    const entry = cache.entryOf(key);
    if (entry === null || entry.ip === '') return null;
    const known = this.#hosts.get(key);
    if (known === undefined) {
      const host = hosts.create(entry.ip, entry.port, key, key);
      this.#hosts.set(key, { host, entry });
      return host;
    }
    if (known.entry !== entry) {
      known.entry = entry;
      known.host.update({ ...known.host.placed, address: entry.ip });
    }
    return known.host;
  }

  *hosts(): Iterable<UpstreamHost> {
    for (const { host } of this.#hosts.values()) yield host;
  }

  onHostRemoved(key: string): void {
    const proxied = this.#hosts.get(key);
    if (proxied === undefined) return;
    this.#hosts.delete(key);
    this.#parts.hosts.retire(proxied.host);
  }

  close(): void {
    this.#parts.cache.removeListener(this);
    for (const { host } of this.#hosts.values()) this.#parts.hosts.retire(host);
  }
}
