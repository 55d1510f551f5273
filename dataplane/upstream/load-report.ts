// What a worker counted of its clusters' load, for the load reporter in main: numbers that only grow. What is zero is left
// out, so that ten thousand idle hosts cost nothing.

import type { PlacedHost } from '../api/config/cluster.ts';
import type { UpstreamCluster } from './cluster.ts';
import type { UpstreamHost } from './host.ts';
import type { LoadMetric } from './load-metrics.ts';

export interface ClusterLoadReport {
  readonly cluster: string;
  readonly dropped: number;
  readonly dropOverload: number;
  readonly hosts: readonly HostLoadReport[];
}

export interface HostLoadReport {
  /** Host.identity */
  readonly address: string;
  readonly success: number;
  readonly error: number;
  readonly issued: number;
  readonly metrics: readonly LoadMetric[];
  /** Of a host that main does not know; null = it does. */
  readonly own: { readonly host: PlacedHost; readonly active: number } | null;
}

/** Clusters with anything to tell. */
export function loadReports(clusters: Iterable<UpstreamCluster>): ClusterLoadReport[] {
  const reports: ClusterLoadReport[] = [];
  for (const cluster of clusters) {
    const { config, stats } = cluster;
    const isOwn = config.provided !== null;
    const hosts: HostLoadReport[] = [];
    for (const host of cluster.hosts()) {
      const report = hostReport(host, isOwn);
      if (report !== null) hosts.push(report);
    }
    const { loadDropped: dropped, loadDropOverload: dropOverload } = stats;
    if (hosts.length > 0 || dropped > 0) {
      reports.push({ cluster: config.name, dropped, dropOverload, hosts });
    }
  }
  return reports;
}

/** Null = nothing was ever counted. */
function hostReport(host: UpstreamHost, isOwn: boolean): HostLoadReport | null {
  const { rqSuccess: success, rqError: error, rqTotal: issued } = host.stats;
  if (success === 0 && error === 0 && issued === 0) return null;
  return {
    address: host.identity,
    success,
    error,
    issued,
    metrics: host.loadMetrics?.sums() ?? [],
    own: isOwn ? { host: host.placed, active: host.rqActive() } : null,
  };
}
