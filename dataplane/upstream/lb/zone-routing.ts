// Zone-aware routing of priority 0: as much as possible to the sidecar's own locality, without giving its hosts more
// than their share; the rest to localities that have capacity left. Envoy: ZoneAwareLoadBalancerBase. Shares are in
// 1/10000. Made anew when hosts or health of this cluster or of the local one change.
//
//   local share 40 % (of sidecars), upstream share 25 %: 62.5 % stay, 37.5 % leave by the others' spare shares

import type { Random } from '../../../common/clock.ts';
import type { ZoneAwareData } from '../../api/config/load-balancing.ts';
import { RuntimeValue, readRuntime } from '../../matcher/runtime-value.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import { isInPanic, type LocalityHosts, localityKey, type PriorityHosts } from './host-set.ts';

const WHOLE = 10_000;

/** See the file head. */
export class ZoneRouting {
  readonly #data: ZoneAwareData;
  readonly #enabledPercent: RuntimeValue;
  readonly #random: Random;
  readonly #stats: ClusterStats;
  readonly #localInPanic: boolean;
  /** All to the own locality. */
  readonly #isDirect: boolean;
  /** The part of requests that stays, in 1/10000. */
  readonly #localShare: number = 0;
  /** Spare shares by locality, summed up. */
  readonly #residual: readonly number[] = [];

  private constructor(
    data: ZoneAwareData,
    upstream: PriorityHosts,
    local: PriorityHosts,
    panicThresholdPercent: number,
    random: Random,
    stats: ClusterStats,
  ) {
    this.#data = data;
    this.#enabledPercent = new RuntimeValue(data.routingEnabledPercent);
    this.#random = random;
    this.#stats = stats;
    this.#localInPanic = isInPanic(local, panicThresholdPercent);
    const shares = localityShares(data, upstream, local);
    const { hasLocalLocality, localities } = upstream;
    const own = shares[0]!; // there are two localities or more
    const forced = data.forceLocalZoneMinSize;
    this.#isDirect =
      hasLocalLocality &&
      ((own.upstream > 0 && own.upstream >= own.local) ||
        (forced !== null && localities[0]!.healthy.length >= forced));
    if (this.#isDirect) return;
    if (hasLocalLocality && own.local > 0) {
      this.#localShare = Math.floor((own.upstream * WHOLE) / own.local);
    }
    let sum = 0;
    this.#residual = shares.map((share, i) => {
      if (i > 0 || !hasLocalLocality) sum += Math.max(0, share.upstream - share.local);
      return sum;
    });
  }

  /** Null = not possible now: localities do not matter. `local`: priority 0 of the local cluster. */
  static create(
    data: ZoneAwareData,
    upstream: PriorityHosts,
    local: PriorityHosts | null,
    parts: {
      readonly random: Random;
      readonly stats: ClusterStats;
      readonly panicThresholdPercent: number;
    },
  ): ZoneRouting | null {
    const { stats, random, panicThresholdPercent } = parts;
    stats.lbRecalculateZoneStructures++;
    if (upstream.localities.length < 2) return null;
    if ((local?.localities.length ?? 0) < 2 && data.forceLocalZoneMinSize === null) return null;
    if (local === null || !local.hasLocalLocality) {
      stats.lbLocalClusterNotOk++;
      return null;
    }
    if (upstream.healthy.length < readRuntime(data.minClusterSize)) {
      stats.lbZoneClusterTooSmall++;
      return null;
    }
    return new ZoneRouting(data, upstream, local, panicThresholdPercent, random, stats);
  }

  /** Index of the locality for this request; -1 = any; -2 = no host at all. */
  choose(): number {
    const { failTrafficOnPanic } = this.#data;
    const enabledPercent = this.#enabledPercent.number();
    if (enabledPercent < 100 && this.#random() * 100 >= enabledPercent) return -1;
    if (this.#localInPanic) {
      this.#stats.lbLocalClusterNotOk++;
      return failTrafficOnPanic ? -2 : -1;
    }
    if (this.#isDirect) {
      this.#stats.lbZoneRoutingAllDirectly++;
      return 0;
    }
    if (this.#random() * WHOLE < this.#localShare) {
      this.#stats.lbZoneRoutingSampled++;
      return 0;
    }
    this.#stats.lbZoneRoutingCrossZone++;
    const residual = this.#residual;
    const spare = residual[residual.length - 1]!;
    if (spare === 0) {
      // Nothing but rounding leads here.
      this.#stats.lbZoneNoCapacityLeft++;
      return (this.#random() * residual.length) | 0;
    }
    const threshold = (this.#random() * spare) | 0;
    let i = 0;
    while (threshold >= residual[i]!) i++;
    return i;
  }
}

interface Share {
  readonly local: number;
  readonly upstream: number;
}

function localityShares(
  { localityBasis }: ZoneAwareData,
  upstream: PriorityHosts,
  local: PriorityHosts,
): Share[] {
  const sizeOf = ({ healthy }: LocalityHosts): number => {
    if (localityBasis === 'HEALTHY_HOSTS_NUM') return healthy.length;
    return healthy.reduce((sum, host) => sum + host.weight(), 0);
  };
  const localSizes = new Map<string, number>();
  let localTotal = 0;
  for (const hosts of local.localities) {
    const size = sizeOf(hosts);
    localSizes.set(localityKey(hosts.locality), size);
    localTotal += size;
  }
  const upstreamTotal = upstream.localities.reduce((sum, hosts) => sum + sizeOf(hosts), 0);
  const share = (size: number, total: number) =>
    total > 0 ? Math.floor((WHOLE * size) / total) : 0;
  return upstream.localities.map((hosts) => {
    // Where nobody upstream is healthy, the local share does not matter.
    if (hosts.healthy.length === 0) return { local: 0, upstream: 0 };
    return {
      local: share(localSizes.get(localityKey(hosts.locality)) ?? 0, localTotal),
      upstream: share(sizeOf(hosts), upstreamTotal),
    };
  });
}
