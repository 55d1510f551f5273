// The load of one cluster over all workers: what main knows of its hosts, with what workers counted.

import type { ClusterConfig, PlacedHost } from '../api/config/cluster.ts';
import type { ClusterSample, HostSample, MetricSum } from '../api/load-sample.ts';
import type { ClusterLoadReport, HostLoadReport } from './load-report.ts';
import { slotKey } from './shared-state.ts';
import { hostAddress } from './supervision/host-table.ts';

interface HostLoad {
  success: number;
  error: number;
  issued: number;
  active: number;
  readonly metrics: Map<string, MetricSum>;
  /** Of a host that workers have made themselves. */
  readonly own: PlacedHost | null;
}

interface ClusterLoad {
  dropped: number;
  dropOverload: number;
  /** By address. */
  readonly hosts: Map<string, HostLoad>;
}

/** The reports of all workers, summed. */
export class LoadIndex {
  readonly #clusters = new Map<string, ClusterLoad>();

  constructor(workers: readonly (readonly ClusterLoadReport[])[]) {
    for (const report of workers.flat()) {
      const load = this.#of(report.cluster);
      load.dropped += report.dropped;
      load.dropOverload += report.dropOverload;
      for (const host of report.hosts) addHost(load.hosts, host);
    }
  }

  get(cluster: string): ClusterLoad | null {
    return this.#clusters.get(cluster) ?? null;
  }

  #of(cluster: string): ClusterLoad {
    let load = this.#clusters.get(cluster);
    if (load === undefined) {
      load = { dropped: 0, dropOverload: 0, hosts: new Map() };
      this.#clusters.set(cluster, load);
    }
    return load;
  }
}

function addHost(hosts: Map<string, HostLoad>, report: HostLoadReport): void {
  const { address, own } = report;
  let load = hosts.get(address);
  if (load === undefined) {
    const host = own?.host ?? null;
    load = { success: 0, error: 0, issued: 0, active: 0, metrics: new Map(), own: host };
    hosts.set(address, load);
  }
  load.success += report.success;
  load.error += report.error;
  load.issued += report.issued;
  load.active += own?.active ?? 0;
  for (const [name, count, total] of report.metrics) {
    const sum = load.metrics.get(name);
    load.metrics.set(name, {
      count: count + (sum?.count ?? 0),
      total: total + (sum?.total ?? 0),
    });
  }
}

/** `active`: requests under way to a host that main has placed. */
export function clusterSample(
  { name, edsServiceName, provided }: ClusterConfig,
  dropCategory: string,
  hosts: readonly PlacedHost[],
  active: (host: PlacedHost) => number,
  index: LoadIndex,
): ClusterSample {
  const load = index.get(name);
  const samples: HostSample[] = [];
  if (provided === null) {
    for (const host of hosts) {
      const of = load?.hosts.get(hostAddress(host));
      samples.push(hostSample(host, of ?? null, active(host)));
    }
  } else {
    for (const of of load?.hosts.values() ?? []) {
      if (of.own !== null) samples.push(hostSample(of.own, of, of.active));
    }
  }
  return {
    name,
    // Envoy: what eds_cluster_config says, not what stands in for it.
    serviceName: edsServiceName === name ? '' : edsServiceName,
    dropCategory,
    dropped: load?.dropped ?? 0,
    dropOverload: load?.dropOverload ?? 0,
    hosts: samples,
  };
}

const noMetrics: ReadonlyMap<string, MetricSum> = new Map();

function hostSample(host: PlacedHost, load: HostLoad | null, active: number): HostSample {
  return {
    // One that comes back has another slot, or its address has.
    key: `${slotKey(host)} ${hostAddress(host)}`,
    address: { ip: host.address, port: host.port },
    locality: host.locality,
    priority: host.priority,
    active,
    success: load?.success ?? 0,
    error: load?.error ?? 0,
    issued: load?.issued ?? 0,
    metrics: load?.metrics ?? noMetrics,
  };
}
