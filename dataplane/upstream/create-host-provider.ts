// The provider that a cluster's data asks for, and the hosts that providers make.

import type { Random } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { PlacedHost } from '../api/config/cluster.ts';
import type { DnsCacheData } from '../api/config/dns.ts';
import type { ProvidedHostsData } from '../api/config/provided-hosts.ts';
import { type AggregatedCluster, AggregateHosts } from './aggregate/aggregate-hosts.ts';
import type { ClusterStats } from './cluster-stats.ts';
import { ProxiedHosts } from './dynamic-forward-proxy/proxied-hosts.ts';
import type { WorkerDnsCache } from './dynamic-forward-proxy/worker-dns-caches.ts';
import type { HostProvider, OwnHosts } from './host-provider.ts';
import { OriginalDstHosts } from './original-dst/original-dst-hosts.ts';

export interface HostProviderParts {
  readonly random: Random;
  readonly timers: TimerService;
  readonly stats: ClusterStats;
  readonly panicThresholdPercent: number;
  /** Of names without one. */
  readonly defaultPort: number;
  readonly hosts: OwnHosts;
  clusterOf(name: string): AggregatedCluster | null;
  dnsCacheOf(data: DnsCacheData): WorkerDnsCache;
}

export function createHostProvider(
  data: ProvidedHostsData,
  parts: HostProviderParts,
): HostProvider {
  switch (data.kind) {
    case 'ORIGINAL_DST':
      return new OriginalDstHosts(data, parts);
    case 'AGGREGATE':
      return new AggregateHosts(data.clusters, parts);
    case 'DYNAMIC_FORWARD_PROXY': {
      const { defaultPort, hosts } = parts;
      return new ProxiedHosts({ cache: parts.dnsCacheOf(data.cache), defaultPort, hosts });
    }
    default:
      return data satisfies never;
  }
}

const nowhere = { region: '', zone: '', subZone: '' };

/** A host that main has not placed: its slot is nobody else's. */
export function ownHost(
  address: string,
  port: number,
  hostname: string,
  identity: string | null,
): PlacedHost {
  return {
    address,
    port,
    ...(identity === null ? {} : { identity }),
    hostname,
    weight: 1,
    health: 'healthy',
    healthStatus: 'UNKNOWN',
    metadata: null,
    healthCheck: null,
    chunk: -1,
    slot: -1,
    locality: nowhere,
    priority: 0,
  };
}
