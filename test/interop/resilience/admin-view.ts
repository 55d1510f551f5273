// What the admin interface says of a scenario's clusters, with labels in the place of addresses.

import type { RunningProxy } from '../proxies.ts';

/** Of /clusters?format=json. */
export interface HostStatus {
  readonly weight: number;
  readonly priority: number;
  readonly locality: unknown;
  readonly hostname: string;
  readonly health: Readonly<Record<string, unknown>>;
  readonly stats: Readonly<Record<string, number>>;
}

/** One scenario on one proxy. */
export interface ProxyView {
  /** Of its main cluster. */
  readonly name: string;
  readonly proxy: RunningProxy;
  owns(clusterName: string): boolean;
  withLabels(text: string): string;
}

export async function clusterStatus(
  view: ProxyView,
): Promise<Readonly<Record<string, HostStatus>>> {
  const filter = encodeURIComponent(`^${view.name}(_.*)?$`);
  const { cluster_statuses: statuses = [] } = JSON.parse(
    await view.proxy.admin(`/clusters?format=json&filter=${filter}`),
  );
  const found: Record<string, HostStatus> = {};
  for (const cluster of statuses) {
    if (!view.owns(cluster.name)) continue;
    for (const host of cluster.host_statuses ?? []) {
      const { address, port_value: port } = host.address.socket_address;
      found[view.withLabels(`${address}:${port}`)] = {
        weight: host.weight ?? 0,
        priority: host.priority ?? 0,
        locality: host.locality ?? null,
        hostname: host.hostname ?? '',
        health: host.health_status ?? {},
        stats: Object.fromEntries(
          (host.stats ?? []).map((stat: { name: string; value?: string }) => [
            stat.name,
            Number(stat.value ?? 0),
          ]),
        ),
      };
    }
  }
  return found;
}

/** Bytes differ with the headers of the hop; that such a stat is there is compared. */
const measured = /bytes/;
/**
 * Not compared: Envoy's matcher of transport sockets, which a cluster without transport_socket_matches has no use for, the
 * name of its HTTP/2 library, and what lies in buffers at the moment.
 */
const leftOut = /\.default\.total_match_count$|\.nghttp2_upstream_connections$|_bytes_buffered$/;

/**
 * Counters and gauges of the scenario's clusters that are not 0: `cluster.x` of the main one, `cluster_suffix.x` of a
 * further one. Histograms are times, and are published at intervals.
 */
export async function readStats(view: ProxyView): Promise<Readonly<Record<string, string>>> {
  const filter = encodeURIComponent(`^cluster\\.${view.name}(_[a-z]+)?\\.`);
  const text = await view.proxy.admin(`/stats?usedonly&filter=${filter}`);
  const stats: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = /^(\S+): (\d+)$/.exec(line) ?? [];
    if (name === '' || value === '0' || leftOut.test(name)) continue;
    stats[name.replace(`cluster.${view.name}`, 'cluster')] = measured.test(name) ? '*' : value;
  }
  return stats;
}
