// The checks of one host: when, and what results mean for its flags. Owned by health-checker; main thread.
//
//   waiting --interval--> checking --result--> waiting        any --close()--> closed
//                            '--timeout--> waiting
//
// Envoy: HealthCheckerImplBase::ActiveHealthCheckSession.

import type { Clock, Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { PlacedHost } from '../../api/config/cluster.ts';
import type { HealthCheckConfig } from '../../api/config/health-check.ts';
import {
  HealthFlag,
  hasHealthFlag,
  type SlotRef,
  setHealthFlag,
  writeHealthySince,
} from '../shared-state.ts';
import { type FailureType, type HealthEvent, healthEventLine } from './event-log.ts';
import type { HealthCheckStats } from './health-check-stats.ts';
import { firstIntervalMs, nextIntervalMs, type Transition } from './interval.ts';
import type { Probe, ProbeObserver } from './probe.ts';

/** What the sessions of one checker share. */
export interface SessionContext {
  readonly clusterName: string;
  readonly config: HealthCheckConfig;
  readonly stats: HealthCheckStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  /** Whether the cluster ever had traffic. */
  hasTraffic(): boolean;
  createProbe(host: PlacedHost, observer: ProbeObserver): Probe;
  /** A line for each file of eventLogPaths, without its end. */
  onEventLine(paths: readonly string[], line: string): void;
  /** After each result, flags and stats included; may close the session. */
  onResult(session: CheckSession, transition: Transition, isHealthy: boolean): void;
}

/** See the file head. */
export class CheckSession implements ProbeObserver {
  /** As main placed it last. */
  host: PlacedHost;
  readonly slot: SlotRef;
  readonly #context: SessionContext;
  readonly #probe: Probe;
  readonly #intervalTimer: Timer;
  readonly #timeoutTimer: Timer;
  #isFirst = true;
  /** It was healthy before anybody checked it, by an older configuration: a first failure ends that. */
  readonly #isOnTrust: boolean;
  #successes = 0;
  #failures = 0;
  #isClosed = false;
  /** The timeout is over, and what has come until now still counts. */
  #isLastChance = false;

  /** The host's flags say what it is before the first check. */
  constructor(host: PlacedHost, slot: SlotRef, context: SessionContext) {
    this.host = host;
    this.slot = slot;
    this.#context = context;
    this.#isOnTrust = !this.#has(HealthFlag.FailedActiveHc);
    this.#probe = context.createProbe(host, this);
    this.#intervalTimer = context.timers.createTimer(onInterval, this);
    this.#timeoutTimer = context.timers.createTimer(onTimeout, this);
    if (this.#isOnTrust) context.stats.healthy++;
    if (this.#has(HealthFlag.DegradedActiveHc)) context.stats.degraded++;
  }

  start(): void {
    const waitMs = firstIntervalMs(this.#context.config, this.#context.random);
    if (waitMs === 0) this.check();
    else this.#intervalTimer.start(waitMs);
  }

  /** Timer: begins a check. */
  check(): void {
    this.#isLastChance = false;
    this.#timeoutTimer.start(this.#context.config.timeoutMs);
    this.#context.stats.attempt++;
    this.#probe.start();
  }

  /** Timer. */
  onTimeout(): void {
    if (!this.#isLastChance) {
      // This thread may have been held up, and the answer lie in the socket: it is read before the next timer.
      this.#isLastChance = true;
      this.#timeoutTimer.start(0);
      return;
    }
    this.#probe.onTimeout();
    this.onFailure('NETWORK_TIMEOUT', 0, false);
  }

  /** The host left, or is checked otherwise from now on; its flags stay. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { stats } = this.#context;
    if (!this.#has(HealthFlag.FailedActiveHc)) stats.healthy--;
    if (this.#has(HealthFlag.DegradedActiveHc)) stats.degraded--;
    this.#intervalTimer.stop();
    this.#timeoutTimer.stop();
    this.#probe.close();
  }

  /** A response to traffic said that the host wants no more (x-envoy-immediate-health-check-fail). */
  onPassiveFailure(): void {
    this.onExcluded();
    this.#setUnhealthy('PASSIVE', 0, false);
  }

  // -- ProbeObserver --------------------------------------------------------------------------------

  onSuccess(isDegraded: boolean): void {
    const { config, stats, clock } = this.#context;
    this.#failures = 0;
    let transition: Transition = 'unchanged';
    if (this.#has(HealthFlag.FailedActiveHc)) {
      if (this.#isFirst || ++this.#successes === config.healthyThreshold) {
        this.#successes = 0;
        this.#set(HealthFlag.FailedActiveHc, false);
        this.#set(HealthFlag.ExcludedViaImmediateHcFail, false);
        this.#set(HealthFlag.ActiveHcTimeout, false);
        writeHealthySince(this.slot, clock.machineMs());
        stats.healthy++;
        transition = 'changed';
        this.#log({ kind: 'add_healthy_event', firstCheck: this.#isFirst });
      } else transition = 'pending';
    }
    if (this.#endPending()) transition = 'changed';
    if (isDegraded !== this.#has(HealthFlag.DegradedActiveHc)) {
      this.#set(HealthFlag.DegradedActiveHc, isDegraded);
      stats.degraded += isDegraded ? 1 : -1;
      this.#log({ kind: isDegraded ? 'degraded_healthy_host' : 'no_longer_degraded_host' });
      // What waits for a threshold is not used yet, degraded or not.
      if (transition === 'unchanged') transition = 'changed';
    }
    // Whoever became healthy has its event.
    if (config.alwaysLogSuccess && transition !== 'changed') {
      this.#log({ kind: 'successful_health_check_event' });
    }
    stats.success++;
    this.#isFirst = false;
    this.#finish(transition, true);
  }

  onFailure(type: FailureType, httpStatus: number, isRetriable: boolean): void {
    const transition = this.#setUnhealthy(type, httpStatus, isRetriable);
    this.#waitForNext(transition, false);
  }

  onExcluded(): void {
    this.#set(HealthFlag.ExcludedViaImmediateHcFail, true);
  }

  onServiceNameChecked(): void {
    this.#context.stats.verifyCluster++;
  }

  // -------------------------------------------------------------------------------------------------

  #setUnhealthy(type: FailureType, httpStatus: number, isRetriable: boolean): Transition {
    const { config, stats } = this.#context;
    const isNetwork = type === 'NETWORK' || type === 'NETWORK_TIMEOUT';
    this.#successes = 0;
    let transition: Transition = 'unchanged';
    if (!this.#has(HealthFlag.FailedActiveHc)) {
      const isAtOnce = (!isNetwork && !isRetriable) || (this.#isFirst && this.#isOnTrust);
      if (isAtOnce || ++this.#failures === config.unhealthyThreshold) {
        this.#failures = 0;
        this.#set(HealthFlag.FailedActiveHc, true);
        stats.healthy--;
        transition = 'changed';
        this.#log({ kind: 'eject_unhealthy_event', failureType: type, httpStatus });
      } else transition = 'pending';
    }
    const isFailed = this.#has(HealthFlag.FailedActiveHc);
    this.#set(HealthFlag.ActiveHcTimeout, isFailed && type === 'NETWORK_TIMEOUT');
    if (this.#endPending()) transition = 'changed';
    if (this.#isFirst || config.alwaysLogFailures) {
      const firstCheck = this.#isFirst;
      this.#log({ kind: 'health_check_failure_event', failureType: type, firstCheck, httpStatus });
    }
    stats.failure++;
    if (isNetwork) stats.networkFailure++;
    else if (type === 'PASSIVE') stats.passiveFailure++;
    this.#isFirst = false;
    this.#context.onResult(this, transition, false);
    return transition;
  }

  #finish(transition: Transition, isHealthy: boolean): void {
    this.#context.onResult(this, transition, isHealthy);
    this.#waitForNext(transition, isHealthy);
  }

  #waitForNext(transition: Transition, isHealthy: boolean): void {
    if (this.#isClosed) return;
    const { config, random } = this.#context;
    this.#timeoutTimer.stop();
    const hasTraffic = this.#context.hasTraffic();
    this.#intervalTimer.start(nextIntervalMs(config, isHealthy, transition, hasTraffic, random));
  }

  /** True when the host counts from now on. */
  #endPending(): boolean {
    if (!this.#has(HealthFlag.PendingActiveHc)) return false;
    this.#set(HealthFlag.PendingActiveHc, false);
    return true;
  }

  #has(flag: HealthFlag): boolean {
    return hasHealthFlag(this.slot, flag);
  }

  #set(flag: HealthFlag, on: boolean): void {
    setHealthFlag(this.slot, flag, on);
  }

  #log(event: HealthEvent): void {
    const { clusterName, config, clock } = this.#context;
    if (config.eventLogPaths.length === 0) return;
    const line = healthEventLine(
      config.checker.kind,
      clusterName,
      this.host,
      event,
      clock.wallMs(),
    );
    this.#context.onEventLine(config.eventLogPaths, line);
  }
}

function onInterval(session: CheckSession): void {
  session.check();
}

function onTimeout(session: CheckSession): void {
  session.onTimeout();
}
