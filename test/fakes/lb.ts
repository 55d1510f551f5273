// Hosts, host sets and parts for tests of load balancing policies, without clusters and shared memory.

import type { HealthStatus, Locality, LocalityWeight } from '../../dataplane/api/config/cluster.ts';
import { ClusterStats } from '../../dataplane/upstream/cluster-stats.ts';
import type { UpstreamHost } from '../../dataplane/upstream/host.ts';
import { createPrioritySet, type PrioritySet } from '../../dataplane/upstream/lb/host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from '../../dataplane/upstream/lb/load-balancer.ts';
import { FakeClock } from './clock.ts';
import { placedHost, seededRandom } from './cluster-config.ts';

/** What a policy may look at of a host. */
export interface StubHostOptions {
  readonly weight?: number;
  readonly health?: 'healthy' | 'degraded' | 'unhealthy';
  readonly isExcluded?: boolean;
  readonly active?: number;
  readonly priority?: number;
  readonly zone?: string;
  readonly healthySinceMs?: number;
  readonly healthStatus?: HealthStatus;
  /** Metadata of namespace envoy.lb. */
  readonly lb?: Readonly<Record<string, unknown>>;
}

export class StubHost {
  readonly name: string;
  placed: UpstreamHost['placed'];
  readonly #options: StubHostOptions;
  active: number;
  healthNow: 'healthy' | 'degraded' | 'unhealthy';

  constructor(name: string, options: StubHostOptions = {}) {
    this.name = name;
    this.#options = options;
    this.active = options.active ?? 0;
    this.healthNow = options.health ?? 'healthy';
    this.placed = placedHost(name, 0, {
      weight: options.weight ?? 1,
      priority: options.priority ?? 0,
      locality: localityOf(options.zone ?? ''),
      metadata: options.lb === undefined ? null : { 'envoy.lb': options.lb },
    });
  }

  /** The name alone: no host here has a port. */
  get addressText(): string {
    return this.name;
  }

  healthStatus(): HealthStatus {
    return this.#options.healthStatus ?? 'UNKNOWN';
  }

  weight(): number {
    return this.placed.weight;
  }

  rqActive(): number {
    return this.active;
  }

  health(): 'healthy' | 'degraded' | 'unhealthy' {
    return this.healthNow;
  }

  isExcluded(): boolean {
    return this.#options.isExcluded ?? false;
  }

  healthySinceMs(): number {
    return this.#options.healthySinceMs ?? 0;
  }

  /** As the code under test takes it; it uses no more of a host than this class has. */
  asHost(): UpstreamHost {
    return this as unknown as UpstreamHost;
  }
}

export function localityOf(zone: string): Locality {
  return { region: '', zone, subZone: '' };
}

/** `count` hosts `<prefix>0`, `<prefix>1`, ... */
export function stubHosts(count: number, prefix: string, options: StubHostOptions = {}) {
  return Array.from({ length: count }, (_, i) => new StubHost(`${prefix}${i}`, options));
}

export interface StubSetOptions {
  readonly overprovisioningFactor?: number;
  readonly weightedPriorityHealth?: boolean;
  /** By zone, in every priority. */
  readonly localityWeights?: Readonly<Record<string, number>>;
  readonly localZone?: string;
}

export function prioritySetOf(
  hosts: readonly StubHost[],
  options: StubSetOptions = {},
): PrioritySet {
  const priorities = new Set(hosts.map(({ placed }) => placed.priority));
  const localityWeights: LocalityWeight[] = [...priorities].flatMap((priority) =>
    Object.entries(options.localityWeights ?? {}).map(([zone, weight]) => ({
      locality: localityOf(zone),
      priority,
      weight,
    })),
  );
  return createPrioritySet(
    hosts.map((host) => host.asHost()),
    {
      overprovisioningFactor: options.overprovisioningFactor ?? 140,
      weightedPriorityHealth: options.weightedPriorityHealth ?? false,
      localityWeights,
      localLocality: options.localZone === undefined ? null : localityOf(options.localZone),
    },
  );
}

/** Chance from a seed, a clock that stands still, no local cluster. */
export function balancerParts(given: Partial<LoadBalancerParts> = {}): LoadBalancerParts {
  return {
    random: seededRandom(1),
    clock: new FakeClock(),
    stats: new ClusterStats(),
    panicThresholdPercent: 50,
    localCluster: null,
    rqActive: () => 0,
    ...given,
  };
}

/** How often each host was chosen, by `keyOf` (its name); '' = none. */
export function countPicks(
  policy: Pick<LoadBalancer, 'choose'>,
  times: number,
  context: Parameters<LoadBalancer['choose']>[0],
  keyOf: (host: StubHost) => string = ({ name }) => name,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const host = policy.choose(context, 0) as unknown as StubHost | null;
    const key = host === null ? '' : keyOf(host);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
