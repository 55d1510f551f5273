// Outlier detection of one cluster, in main: decides on what workers report, ejects, brings back.
// Envoy: DetectorImpl in outlier_detection_impl.cc; arithmetic in envoy-behaviour.md 2.8.

import type { Clock, Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { OutlierDetectionConfig } from '../../api/config/cluster.ts';
import { HealthFlag, HostCell, type SlotView } from '../shared-state.ts';
import type { OutlierKind } from './outlier-event.ts';
import { OutlierStats } from './outlier-stats.ts';

/** One line of the event log (data.cluster.v3.OutlierDetectionEvent in JSON). */
export interface OutlierLogEvent {
  readonly type: OutlierKind;
  readonly cluster_name: string;
  readonly upstream_url: string;
  readonly action: 'EJECT' | 'UNEJECT';
  readonly num_ejections: number;
  readonly enforced: boolean;
  readonly eject_consecutive_event?: Record<string, never>;
}

export interface DetectorParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  /** Some host's flag moved: workers must look again. */
  onHealthChanged(): void;
  onEvent(event: OutlierLogEvent): void;
}

interface HostState {
  readonly slot: SlotView;
  /** Null = not ejected. */
  ejectedAtMs: number | null;
  unejectedAtMs: number | null;
  jitterMs: number;
  /** Multiplies the base ejection time. */
  backoff: number;
  ejections: number;
  lastKind: OutlierKind;
}

const cellOf: Readonly<Record<OutlierKind, number>> = {
  CONSECUTIVE_5XX: HostCell.Consecutive5xx,
  CONSECUTIVE_GATEWAY_FAILURE: HostCell.ConsecutiveGatewayFailure,
  CONSECUTIVE_LOCAL_ORIGIN_FAILURE: HostCell.ConsecutiveLocalOriginFailure,
};

export class OutlierDetector {
  readonly stats = new OutlierStats();
  readonly #clusterName: string;
  readonly #config: OutlierDetectionConfig;
  readonly #parts: DetectorParts;
  readonly #hosts = new Map<string, HostState>();
  readonly #timer: Timer;

  constructor(clusterName: string, config: OutlierDetectionConfig, parts: DetectorParts) {
    this.#clusterName = clusterName;
    this.#config = config;
    this.#parts = parts;
    this.#timer = parts.timers.createTimer((self: OutlierDetector) => self.#onInterval(), this);
    this.#timer.start(config.intervalMs);
  }

  /** The cluster's hosts now; those that stay keep their history. */
  setHosts(hosts: ReadonlyMap<string, SlotView>): void {
    for (const [address, state] of this.#hosts) {
      if (hosts.has(address)) continue;
      if (state.ejectedAtMs !== null) this.stats.ejectionsActive--;
      this.#hosts.delete(address);
    }
    for (const [address, slot] of hosts) {
      if (this.#hosts.has(address)) continue;
      this.#hosts.set(address, {
        slot,
        ejectedAtMs: null,
        unejectedAtMs: null,
        jitterMs: 0,
        backoff: 0,
        ejections: 0,
        lastKind: 'CONSECUTIVE_5XX',
      });
    }
  }

  /** A worker's counter reached its threshold. */
  onThreshold(address: string, kind: OutlierKind): void {
    const host = this.#hosts.get(address);
    // Removed since, or several workers and kinds reported the same outage.
    if (host === undefined || host.ejectedAtMs !== null) return;
    this.#eject(address, host, kind);
    // Only after the decision: until then the counter must not reach the threshold again.
    Atomics.store(host.slot.cells, host.slot.base + cellOf[kind], 0);
  }

  isEjected(address: string): boolean {
    return this.#hosts.get(address)?.ejectedAtMs != null;
  }

  close(): void {
    this.#timer.stop();
    for (const host of this.#hosts.values()) {
      if (host.ejectedAtMs !== null) this.#setFlag(host, false);
    }
  }

  #eject(address: string, host: HostState, kind: OutlierKind): void {
    const { maxEjectionPercent, alwaysEjectOneHost } = this.#config;
    const { ejectionsActive } = this.stats;
    this.stats.countDetected(kind);
    const share = (100 * (ejectionsActive + 1)) / this.#hosts.size;
    const allowed = share <= maxEjectionPercent || (alwaysEjectOneHost && ejectionsActive === 0);
    if (!allowed) {
      this.stats.ejectionsOverflow++;
      return;
    }
    if (this.#parts.random() * 100 >= this.#enforcing(kind)) {
      this.#log(address, host, kind, 'EJECT', false);
      return;
    }
    const { baseEjectionTimeMs, maxEjectionTimeMs, maxEjectionTimeJitterMs } = this.#config;
    host.ejectedAtMs = this.#parts.clock.nowMs();
    host.ejections++;
    host.lastKind = kind;
    if (host.backoff * baseEjectionTimeMs < maxEjectionTimeMs + baseEjectionTimeMs) host.backoff++;
    host.jitterMs = this.#parts.random() * maxEjectionTimeJitterMs;
    this.stats.ejectionsActive++;
    this.stats.countEnforced(kind);
    this.#setFlag(host, true);
    this.#parts.onHealthChanged();
    this.#log(address, host, kind, 'EJECT', true);
  }

  /** Envoy evaluates on a fixed interval, so an ejection lasts up to one interval longer. */
  #onInterval(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const [address, host] of this.#hosts) {
      if (host.ejectedAtMs === null) this.#decayBackoff(host, nowMs);
      else if (nowMs - host.ejectedAtMs >= this.#ejectionTimeMs(host)) this.#uneject(address, host);
    }
    this.#timer.start(this.#config.intervalMs);
  }

  #ejectionTimeMs(host: HostState): number {
    const { baseEjectionTimeMs, maxEjectionTimeMs } = this.#config;
    return Math.min(baseEjectionTimeMs * host.backoff, maxEjectionTimeMs) + host.jitterMs;
  }

  #decayBackoff(host: HostState, nowMs: number): void {
    if (host.backoff === 0 || host.unejectedAtMs === null) return;
    if (nowMs - host.unejectedAtMs >= this.#config.intervalMs) host.backoff--;
  }

  #uneject(address: string, host: HostState): void {
    host.ejectedAtMs = null;
    host.unejectedAtMs = this.#parts.clock.nowMs();
    this.stats.ejectionsActive--;
    for (const cell of Object.values(cellOf)) {
      Atomics.store(host.slot.cells, host.slot.base + cell, 0);
    }
    this.#setFlag(host, false);
    this.#parts.onHealthChanged();
    this.#log(address, host, host.lastKind, 'UNEJECT', false);
  }

  #setFlag({ slot }: HostState, ejected: boolean): void {
    const index = slot.base + HostCell.HealthFlags;
    if (ejected) Atomics.or(slot.cells, index, HealthFlag.FailedOutlierCheck);
    else Atomics.and(slot.cells, index, ~HealthFlag.FailedOutlierCheck);
  }

  #enforcing(kind: OutlierKind): number {
    switch (kind) {
      case 'CONSECUTIVE_5XX':
        return this.#config.enforcingConsecutive5xx;
      case 'CONSECUTIVE_GATEWAY_FAILURE':
        return this.#config.enforcingConsecutiveGatewayFailure;
      case 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE':
        return this.#config.enforcingConsecutiveLocalOriginFailure;
      default:
        return kind satisfies never;
    }
  }

  #log(
    address: string,
    host: HostState,
    type: OutlierKind,
    action: OutlierLogEvent['action'],
    enforced: boolean,
  ): void {
    this.#parts.onEvent({
      type,
      cluster_name: this.#clusterName,
      upstream_url: address,
      action,
      num_ejections: host.ejections,
      enforced,
      ...(action === 'EJECT' ? { eject_consecutive_event: {} } : {}),
    });
  }
}
