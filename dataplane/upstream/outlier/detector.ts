// Outlier detection of one cluster, main thread: gets reports from workers, compares hosts at interval ticks
// (outlier/interval-analysis.ts), decides by outlier/ejection.ts, sets flags in shared memory and takes them back.
// Does not know hosts' configuration; supervision/supervised-cluster owns both.
//
//   in rotation --found, and allowed, and enforced--> ejected --tick after its time, or a check passed--> in rotation
//   not degraded --a response said so--> degraded --tick after its time--> not degraded      (beside the above)

import type { Clock, Random } from '../../../common/clock.ts';
import { isSameJson } from '../../../common/same-json.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { OutlierDetectionConfig } from '../../api/config/outlier-detection.ts';
import { HealthFlag, HostWord, type SlotRef, setHealthFlag, writeWord } from '../shared-state.ts';
import {
  afterTick,
  type EjectionState,
  ejected,
  endsAtMs,
  enforcingPercent,
  mayEject,
  neverEjected,
} from './ejection.ts';
import { degradeLine, ejectLine, type Finding, type LoggedHost, unejectLine } from './event-log.ts';
import {
  analyseInterval,
  type HostInterval,
  noThreshold,
  type RateThreshold,
} from './interval-analysis.ts';
import { forgetIntervals, takeInterval, takeLocalInterval } from './interval-counts.ts';
import { counterWord, type OutlierReport } from './outlier-event.ts';
import { countDetected, countEnforced, type OutlierStats } from './outlier-stats.ts';
import type { EjectedHost, HostRates, OutlierStatus } from './status.ts';
import { Timeline, type TimelineEntry } from './timeline.ts';

export interface OutlierDetectorOptions {
  readonly clusterName: string;
  readonly config: OutlierDetectionConfig;
  readonly stats: OutlierStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  /** Flags of a host changed: bump the health epoch, recount membership. `ejected`: its address, null = it is not. */
  onHealthChanged(ejected: string | null): void;
  /** One line of the event log, without line end. */
  onEventLine(line: string): void;
}

interface WatchedHost {
  readonly slot: SlotRef;
  /** `ip:port` */
  readonly address: string;
  state: EjectionState;
  /** The same arithmetic for being degraded. */
  degraded: EjectionState;
  /** Percent in the last interval; -1 = unknown. */
  successRate: number;
  localOriginSuccessRate: number;
}

/** Runs from construction to close(). */
export class OutlierDetector {
  readonly #options: OutlierDetectorOptions;
  #config: OutlierDetectionConfig;
  readonly #hosts = new Map<string, WatchedHost>();
  readonly #timer: Timer;
  readonly #timeline = new Timeline();
  #external: RateThreshold = noThreshold;
  #localOrigin: RateThreshold = noThreshold;
  #nextTickMs = 0;

  constructor(options: OutlierDetectorOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#timer = options.timers.createTimer(onInterval, this);
    this.#startInterval();
  }

  /** New settings for the hosts that are watched; ejections go on. */
  updateConfig(config: OutlierDetectionConfig): void {
    // Another part of the cluster's config changed: updates in quick succession must not put the tick off for ever.
    if (isSameJson(config, this.#config)) return;
    this.#config = config;
    // A run that is longer than a lower threshold would never be equal to it.
    for (const { slot } of this.#hosts.values()) forgetRuns(slot);
    this.#startInterval();
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
      // What a former detector of these hosts left.
      forgetIntervals(slot);
      forgetRuns(slot);
      writeWord(slot, HostWord.SaidDegraded, 0);
      const rates = { successRate: -1, localOriginSuccessRate: -1 };
      const states = { state: neverEjected, degraded: neverEjected };
      this.#hosts.set(address, { slot, address, ...states, ...rates });
    }
  }

  /** A worker saw `kind`'s counter of that host reach its threshold, or a response that says it is degraded. */
  onReport(address: string, kind: OutlierReport['kind']): void {
    const host = this.#hosts.get(address);
    // Reports come from other threads: the host may be gone.
    if (host === undefined) return;
    if (kind === 'degraded') {
      this.#degrade(host);
      return;
    }
    // Ejected by an earlier one.
    if (host.state.isEjected) return;
    this.#consider(host, { kind });
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
    this.#uneject(host, { ...host.state, isEjected: false, unejectedAtMs }, 'active check passed');
  }

  isEjected(address: string): boolean {
    return this.#hosts.get(address)?.state.isEjected === true;
  }

  /** Null = no such host. */
  ratesOf(address: string): HostRates | null {
    return this.#hosts.get(address) ?? null;
  }

  /** For /clusters and /outliers. */
  status(): OutlierStatus {
    return {
      external: this.#external,
      localOrigin: this.#localOrigin,
      maxEjectionPercent: this.#config.maxEjectionPercent,
      hosts: this.#hosts.size,
      ejected: [...this.#hosts.values()].flatMap((host) => this.#whatIsOn(host)),
      timeline: this.#timeline.entries(),
    };
  }

  /** Ends all ejections (detection was switched off, the cluster removed) and stops. */
  close(): void {
    this.#timer.stop();
    for (const host of this.#hosts.values()) {
      if (host.state.isEjected) this.#uneject(host, { ...host.state, isEjected: false }, 'off');
      if (host.degraded.isEjected) {
        this.#undegrade(host, { ...host.degraded, isEjected: false }, 'off');
      }
    }
    this.#hosts.clear();
  }

  /** Timer. Envoy judges at fixed intervals, so an ejection may last up to one interval longer. */
  onInterval(): void {
    const nowMs = this.#options.clock.nowMs();
    const hosts = [...this.#hosts.values()];
    for (const host of hosts) {
      const next = afterTick(host.state, this.#config, nowMs);
      if (host.state.isEjected && !next.isEjected) this.#uneject(host, next, 'time is over');
      else host.state = next;
      const degraded = afterTick(host.degraded, this.#config, nowMs);
      if (host.degraded.isEjected && !degraded.isEjected) {
        this.#undegrade(host, degraded, 'time is over');
      } else host.degraded = degraded;
    }
    // Taken in any case: what is not judged now belongs to an interval that is over.
    const external = hosts.map(({ slot }) => takeInterval(slot));
    const localOrigin = hosts.map(({ slot }) => takeLocalInterval(slot));
    this.#judge(hosts, external, false);
    this.#judge(hosts, localOrigin, true);
    this.#startInterval();
  }

  /** Success rates and failure percentages of one origin. */
  #judge(
    hosts: readonly WatchedHost[],
    intervals: readonly HostInterval[],
    isLocalOrigin: boolean,
  ): void {
    const judged = intervals.map((interval, i) => (hosts[i]!.state.isEjected ? null : interval));
    const analysis = analyseInterval(judged, this.#config);
    const { threshold } = analysis;
    if (isLocalOrigin) this.#localOrigin = threshold;
    else this.#external = threshold;
    hosts.forEach((host, i) => {
      const rate = analysis.rates[i] ?? -1;
      if (isLocalOrigin) host.localOriginSuccessRate = rate;
      else host.successRate = rate;
    });
    for (const { index, rate } of analysis.successRateOutliers) {
      const kind = isLocalOrigin ? 'success_rate_local_origin' : 'success_rate';
      this.#consider(hosts[index]!, { kind, rate, threshold });
    }
    for (const { index, rate } of analysis.failurePercentageOutliers) {
      const kind = isLocalOrigin ? 'failure_percentage_local_origin' : 'failure_percentage';
      this.#consider(hosts[index]!, { kind, rate });
    }
  }

  #consider(host: WatchedHost, finding: Finding): void {
    const { stats, clock, random } = this.#options;
    const config = this.#config;
    const { kind } = finding;
    countDetected(stats, kind);
    // By its success rate a moment ago, now by its failure percentage. Envoy would eject it twice.
    if (host.state.isEjected) return;
    if (!mayEject(config, stats.ejectionsActive, this.#hosts.size)) {
      stats.ejectionsOverflow++;
      this.#note(host, 'overflow', kind, finding);
      return;
    }
    if (kind === 'consecutive_5xx' || kind === 'success_rate') stats.ejectionsTotal++;
    const isEnforced = Math.trunc(random() * 100) < enforcingPercent(config, kind);
    const logged = this.#logged(host);
    if (isEnforced) {
      stats.ejectionsActive++;
      countEnforced(stats, kind);
      host.state = ejected(host.state, config, clock.nowMs(), this.#drawJitter());
      setHealthFlag(host.slot, HealthFlag.FailedOutlierCheck, true);
      this.#options.onHealthChanged(host.address);
    }
    this.#note(host, isEnforced ? 'eject' : 'would_eject', kind, finding);
    const numEjections = host.state.numEjections;
    const line = ejectLine({ ...logged, numEjections }, finding, isEnforced, clock.wallMs());
    this.#options.onEventLine(line);
  }

  #uneject(host: WatchedHost, next: EjectionState, reason: TimelineEntry['reason']): void {
    const logged = this.#logged(host);
    host.state = next;
    this.#options.stats.ejectionsActive--;
    forgetRuns(host.slot);
    setHealthFlag(host.slot, HealthFlag.FailedOutlierCheck, false);
    this.#options.onHealthChanged(null);
    this.#note(host, 'uneject', reason);
    this.#options.onEventLine(unejectLine(logged, this.#options.clock.wallMs()));
  }

  /** Neither max_ejection_percent nor enforcing_* applies: the host stays in use. */
  #degrade(host: WatchedHost): void {
    if (host.degraded.isEjected) return;
    const { clock, stats } = this.#options;
    stats.detectedDegradation++;
    host.degraded = ejected(host.degraded, this.#config, clock.nowMs(), this.#drawJitter());
    setHealthFlag(host.slot, HealthFlag.DegradedOutlierDetection, true);
    this.#options.onHealthChanged(null);
    this.#note(host, 'degrade', 'x-envoy-degraded');
    const line = degradeLine(this.#logged(host, host.state.unejectedAtMs), clock.wallMs());
    this.#options.onEventLine(line);
  }

  #undegrade(host: WatchedHost, next: EjectionState, reason: TimelineEntry['reason']): void {
    host.degraded = next;
    setHealthFlag(host.slot, HealthFlag.DegradedOutlierDetection, false);
    writeWord(host.slot, HostWord.SaidDegraded, 0);
    this.#options.onHealthChanged(null);
    this.#note(host, 'undegrade', reason);
    const logged = this.#logged(host, host.state.ejectedAtMs);
    this.#options.onEventLine(unejectLine(logged, this.#options.clock.wallMs()));
  }

  #drawJitter(): number {
    return Math.trunc(this.#options.random() * (this.#config.maxEjectionTimeJitterMs + 1));
  }

  /** `lastMs`: when something happened to it last; Envoy looks at ejections only. */
  #logged(
    { state, address }: WatchedHost,
    lastMs = state.isEjected ? state.ejectedAtMs : state.unejectedAtMs,
  ): LoggedHost {
    return {
      clusterName: this.#options.clusterName,
      upstreamUrl: address,
      numEjections: state.numEjections,
      secsSinceLastAction: lastMs === null ? null : (this.#options.clock.nowMs() - lastMs) / 1000,
    };
  }

  #note(
    { address }: WatchedHost,
    action: TimelineEntry['action'],
    reason: TimelineEntry['reason'],
    finding: Finding | null = null,
  ): void {
    const successRate = finding !== null && 'rate' in finding ? finding.rate : null;
    const wallMs = this.#options.clock.wallMs();
    this.#timeline.add({ wallMs, address, action, reason, successRate });
  }

  #whatIsOn({ address, state, degraded }: WatchedHost): EjectedHost[] {
    const { clock } = this.#options;
    const wallAt = (ms: number): number => clock.wallMs() + ms - clock.nowMs();
    const entry = (action: EjectedHost['action'], of: EjectionState): EjectedHost => ({
      address,
      action,
      sinceWallMs: wallAt(of.ejectedAtMs ?? 0),
      untilWallMs: wallAt(this.#tickAfter(endsAtMs(of, this.#config))),
      times: of.numEjections,
    });
    return [
      ...(state.isEjected ? [entry('eject', state)] : []),
      ...(degraded.isEjected ? [entry('degrade', degraded)] : []),
    ];
  }

  /** The first tick at or after that moment, should the interval not change. */
  #tickAfter(ms: number): number {
    const { intervalMs } = this.#config;
    const ticks = Math.ceil((ms - this.#nextTickMs) / intervalMs);
    return this.#nextTickMs + Math.max(0, ticks) * intervalMs;
  }

  #startInterval(): void {
    const { intervalMs } = this.#config;
    this.#nextTickMs = this.#options.clock.nowMs() + intervalMs;
    this.#timer.start(intervalMs);
  }
}

/** All runs of failures begin anew. */
function forgetRuns(slot: SlotRef): void {
  for (const word of Object.values(counterWord)) writeWord(slot, word, 0);
}

function onInterval(detector: OutlierDetector): void {
  detector.onInterval();
}
