// Outlier detection of one cluster, main thread: gets threshold events from workers, decides by
// outlier/ejection.ts, sets the ejected flag in shared memory and takes it back at interval ticks.
// Does not know hosts' configuration; supervision/supervised-cluster owns both.

import type { Clock, Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { OutlierDetectionConfig } from '../../api/config/cluster.ts';
import { HealthFlag, type SlotRef, setHealthFlag, writeWord } from '../shared-state.ts';
import {
  afterTick,
  type EjectionState,
  ejected,
  enforcingPercent,
  mayEject,
  neverEjected,
} from './ejection.ts';
import { ejectLine, type LoggedHost, unejectLine } from './event-log.ts';
import { counterWord, type OutlierKind } from './outlier-event.ts';
import type { OutlierStats } from './outlier-stats.ts';

export interface OutlierDetectorOptions {
  readonly clusterName: string;
  readonly config: OutlierDetectionConfig;
  readonly stats: OutlierStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  /** Flags of a host changed: bump the health epoch, recount membership. `ejected`: its address, null = it is back. */
  onHealthChanged(ejected: string | null): void;
  /** One line of the event log, without line end. */
  onEventLine(line: string): void;
}

interface WatchedHost {
  readonly slot: SlotRef;
  /** `ip:port` */
  readonly address: string;
  state: EjectionState;
}

/** Runs from construction to close(). */
export class OutlierDetector {
  readonly #options: OutlierDetectorOptions;
  #config: OutlierDetectionConfig;
  readonly #hosts = new Map<string, WatchedHost>();
  readonly #timer: Timer;

  constructor(options: OutlierDetectorOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#timer = options.timers.createTimer(onInterval, this);
    this.#timer.start(this.#config.intervalMs);
  }

  /** New settings for the hosts that are watched; ejections go on. */
  updateConfig(config: OutlierDetectionConfig): void {
    this.#config = config;
    this.#timer.start(config.intervalMs);
  }

  /** The cluster's hosts now, by `ip:port`; those that stay keep their history. */
  setHosts(slots: ReadonlyMap<string, SlotRef>): void {
    for (const [address, { state }] of this.#hosts) {
      if (slots.has(address)) continue;
      if (state.isEjected) this.#options.stats.ejectionsActive--;
      this.#hosts.delete(address);
    }
    for (const [address, slot] of slots) {
      if (this.#hosts.has(address)) continue;
      this.#hosts.set(address, { slot, address, state: neverEjected });
    }
  }

  /** A worker saw `kind`'s counter of that host reach its threshold. */
  onThreshold(address: string, kind: OutlierKind): void {
    const host = this.#hosts.get(address);
    // Events come from other threads: the host may be gone, or ejected by an earlier one.
    if (host === undefined || host.state.isEjected) return;
    this.#countDetected(kind);
    this.#consider(host, kind);
    // After the decision: until then the counter must not reach the threshold again.
    writeWord(host.slot, counterWord[kind], 0);
  }

  /** An active check of that host passed: whatever it is ejected for is over. */
  onActiveCheckPassed(address: string): void {
    const host = this.#hosts.get(address);
    if (!this.#config.successfulActiveHealthCheckUnejectHost || host?.state.isEjected !== true) {
      return;
    }
    const unejectedAtMs = this.#options.clock.nowMs();
    this.#uneject(host, { ...host.state, isEjected: false, unejectedAtMs });
  }

  isEjected(address: string): boolean {
    return this.#hosts.get(address)?.state.isEjected === true;
  }

  /** Ends all ejections (detection was switched off, the cluster removed) and stops. */
  close(): void {
    this.#timer.stop();
    for (const host of this.#hosts.values()) {
      if (host.state.isEjected) this.#uneject(host, { ...host.state, isEjected: false });
    }
    this.#hosts.clear();
  }

  /** Timer. Envoy judges at fixed intervals, so an ejection may last up to one interval longer. */
  onInterval(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const host of this.#hosts.values()) {
      const next = afterTick(host.state, this.#config, nowMs);
      if (host.state.isEjected && !next.isEjected) this.#uneject(host, next);
      else host.state = next;
    }
    this.#timer.start(this.#config.intervalMs);
  }

  #consider(host: WatchedHost, kind: OutlierKind): void {
    const { stats, clock, random } = this.#options;
    const config = this.#config;
    if (!mayEject(config, stats.ejectionsActive, this.#hosts.size)) {
      stats.ejectionsOverflow++;
      return;
    }
    if (kind === 'consecutive_5xx') stats.ejectionsTotal++;
    const isEnforced = Math.trunc(random() * 100) < enforcingPercent(config, kind);
    const before = host.state;
    if (isEnforced) {
      stats.ejectionsActive++;
      this.#countEnforced(kind);
      const jitterMs = Math.trunc(random() * (config.maxEjectionTimeJitterMs + 1));
      host.state = ejected(before, config, clock.nowMs(), jitterMs);
      setHealthFlag(host.slot, HealthFlag.FailedOutlierCheck, true);
      this.#options.onHealthChanged(host.address);
    }
    const line = ejectLine(this.#logged(host, before), kind, isEnforced, clock.wallMs());
    this.#options.onEventLine(line);
  }

  #uneject(host: WatchedHost, next: EjectionState): void {
    const before = host.state;
    host.state = next;
    this.#options.stats.ejectionsActive--;
    for (const word of Object.values(counterWord)) writeWord(host.slot, word, 0);
    setHealthFlag(host.slot, HealthFlag.FailedOutlierCheck, false);
    this.#options.onHealthChanged(null);
    const line = unejectLine(this.#logged(host, before), this.#options.clock.wallMs());
    this.#options.onEventLine(line);
  }

  #logged(host: WatchedHost, before: EjectionState): LoggedHost {
    const lastMs = before.isEjected ? before.ejectedAtMs : before.unejectedAtMs;
    return {
      clusterName: this.#options.clusterName,
      upstreamUrl: host.address,
      numEjections: host.state.numEjections,
      secsSinceLastAction: lastMs === null ? null : (this.#options.clock.nowMs() - lastMs) / 1000,
    };
  }

  #countDetected(kind: OutlierKind): void {
    const { stats } = this.#options;
    if (kind === 'consecutive_5xx') {
      stats.detected5xx++;
      stats.ejectionsConsecutive5xx++;
    } else if (kind === 'consecutive_gateway_failure') stats.detectedGatewayFailure++;
    else stats.detectedLocalOriginFailure++;
  }

  #countEnforced(kind: OutlierKind): void {
    const { stats } = this.#options;
    stats.ejectionsEnforcedTotal++;
    if (kind === 'consecutive_5xx') stats.enforced5xx++;
    else if (kind === 'consecutive_gateway_failure') stats.enforcedGatewayFailure++;
    else stats.enforcedLocalOriginFailure++;
  }
}

function onInterval(detector: OutlierDetector): void {
  detector.onInterval();
}
