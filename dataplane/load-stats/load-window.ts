// From growing counters to what happened since the last report: envoy.config.endpoint.v3.ClusterStats. One window per
// cluster that the server asked for; a report ends it and begins the next. No clock and no stream here.

import type { ClusterStatsProto, UpstreamLocalityStatsProto } from '../../proto/gen/types.ts';
import { durationFromMs } from '../../proto/well-known.ts';
import type { ClusterSample, HostSample, MetricSum } from '../api/load-sample.ts';

/** What was counted when the window began. */
interface Counted {
  readonly success: number;
  readonly error: number;
  readonly issued: number;
  readonly metrics: ReadonlyMap<string, MetricSum>;
}

const nothing: Counted = { success: 0, error: 0, issued: 0, metrics: new Map() };

interface Window {
  readonly sinceMs: number;
  readonly dropped: number;
  readonly dropOverload: number;
  /** By host key. */
  readonly hosts: ReadonlyMap<string, Counted>;
}

/** What happened at one host, or in one locality. */
interface Load {
  success: number;
  error: number;
  issued: number;
  active: number;
  readonly metrics: Map<string, { count: number; total: number }>;
}

export class LoadWindows {
  #windows = new Map<string, Window>();

  /** Tracks exactly these clusters. One that was tracked goes on; what others had counted before is nobody's concern. */
  track(samples: readonly ClusterSample[], nowMs: number): void {
    const before = this.#windows;
    this.#windows = new Map(
      samples.map((sample) => [sample.name, before.get(sample.name) ?? windowOf(sample, nowMs)]),
    );
  }

  /** The reports of tracked clusters, whose windows begin anew. `nowMs` is monotonic. */
  report(
    samples: readonly ClusterSample[],
    nowMs: number,
    granularity: 'locality' | 'endpoint',
  ): ClusterStatsProto[] {
    const reports: ClusterStatsProto[] = [];
    for (const sample of samples) {
      const window = this.#windows.get(sample.name);
      if (window === undefined) continue;
      reports.push(clusterStats(sample, window, nowMs, granularity));
      this.#windows.set(sample.name, windowOf(sample, nowMs));
    }
    return reports;
  }

  /** A new stream begins without windows. */
  clear(): void {
    this.#windows.clear();
  }
}

function windowOf({ dropped, dropOverload, hosts }: ClusterSample, nowMs: number): Window {
  const counted = new Map(hosts.map((host) => [host.key, host]));
  return { sinceMs: nowMs, dropped, dropOverload, hosts: counted };
}

function clusterStats(
  sample: ClusterSample,
  window: Window,
  nowMs: number,
  granularity: 'locality' | 'endpoint',
): ClusterStatsProto {
  const { name, serviceName, dropCategory } = sample;
  const dropOverload = since(window.dropOverload, sample.dropOverload);
  return {
    cluster_name: name,
    ...(serviceName === '' ? {} : { cluster_service_name: serviceName }),
    upstream_locality_stats: localityStats(sample.hosts, window, granularity),
    total_dropped_requests: since(window.dropped, sample.dropped),
    dropped_requests:
      dropOverload === 0 ? [] : [{ category: dropCategory, dropped_count: dropOverload }],
    load_report_interval: durationFromMs(nowMs - window.sinceMs),
  };
}

function localityStats(
  hosts: readonly HostSample[],
  window: Window,
  granularity: 'locality' | 'endpoint',
): UpstreamLocalityStatsProto[] {
  const stats: UpstreamLocalityStatsProto[] = [];
  for (const group of byLocality(hosts)) {
    const load: Load = { success: 0, error: 0, issued: 0, active: 0, metrics: new Map() };
    const endpoints: NonNullable<UpstreamLocalityStatsProto['upstream_endpoint_stats']>[number][] =
      [];
    for (const host of group) {
      const own = loadOf(host, window.hosts.get(host.key) ?? nothing);
      if (isIdle(own)) continue;
      add(load, own);
      if (granularity === 'endpoint') {
        const { ip, port } = host.address;
        const socketAddress = { address: ip, port_value: port };
        endpoints.push({ address: { socket_address: socketAddress }, ...loadFields(own) });
      }
    }
    if (isIdle(load)) continue;
    const [{ locality, priority }] = group;
    const { region, zone, subZone } = locality;
    stats.push({
      locality: { region, zone, sub_zone: subZone },
      priority,
      ...loadFields(load),
      upstream_endpoint_stats: endpoints,
    });
  }
  return stats;
}

type Group = [HostSample, ...HostSample[]];

/** By priority; localities in the order in which hosts name them. */
function byLocality(hosts: readonly HostSample[]): Group[] {
  const groups = new Map<string, Group>();
  for (const host of hosts) {
    const { region, zone, subZone } = host.locality;
    const key = JSON.stringify([host.priority, region, zone, subZone]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [host]);
    else group.push(host);
  }
  return [...groups.values()].sort(([a], [b]) => a.priority - b.priority);
}

function loadOf(host: HostSample, before: Counted): Load {
  const load: Load = {
    success: since(before.success, host.success),
    error: since(before.error, host.error),
    issued: since(before.issued, host.issued),
    active: host.active,
    metrics: new Map(),
  };
  for (const [name, { count, total }] of host.metrics) {
    const former = before.metrics.get(name) ?? { count: 0, total: 0 };
    // Totals may fall by themselves: counts say whether the host began anew.
    const isAnew = count < former.count;
    const more = isAnew ? count : count - former.count;
    if (more > 0)
      load.metrics.set(name, { count: more, total: total - (isAnew ? 0 : former.total) });
  }
  return load;
}

/** A counter that is less than it was has begun anew. */
function since(before: number, now: number): number {
  return now < before ? now : now - before;
}

function isIdle({ success, error, issued, active }: Load): boolean {
  return success === 0 && error === 0 && issued === 0 && active === 0;
}

function add(sum: Load, { success, error, issued, active, metrics }: Load): void {
  sum.success += success;
  sum.error += error;
  sum.issued += issued;
  sum.active += active;
  for (const [name, { count, total }] of metrics) {
    const of = sum.metrics.get(name) ?? { count: 0, total: 0 };
    sum.metrics.set(name, { count: of.count + count, total: of.total + total });
  }
}

function loadFields({ success, error, issued, active, metrics }: Load) {
  return {
    total_successful_requests: success,
    total_requests_in_progress: active,
    total_error_requests: error,
    total_issued_requests: issued,
    load_metric_stats: [...metrics].map(([metric_name, { count, total }]) => ({
      metric_name,
      num_requests_finished_with_metric: count,
      total_metric_value: total,
    })),
  };
}
