// The arithmetic of outlier ejection (Envoy: outlier_detection_impl.cc), without time, chance or hosts.
// outlier/detector.ts is its only caller.

import type { OutlierDetectionConfig } from '../../api/config/outlier-detection.ts';
import type { OutlierKind } from './outlier-event.ts';

/** What is remembered of one host between ejections (or times of being degraded); times are Clock.nowMs. */
export interface EjectionState {
  readonly isEjected: boolean;
  readonly numEjections: number;
  /** Multiplies base_ejection_time; grows with each ejection, shrinks with each quiet interval. */
  readonly backoff: number;
  /** Null = never. */
  readonly ejectedAtMs: number | null;
  readonly unejectedAtMs: number | null;
  /** Of the current ejection. */
  readonly jitterMs: number;
}

export const neverEjected: EjectionState = Object.freeze({
  isEjected: false,
  numEjections: 0,
  backoff: 0,
  ejectedAtMs: null,
  unejectedAtMs: null,
  jitterMs: 0,
});

/** Whether one more of `hosts` hosts may be ejected while `ejected` are. */
export function mayEject(config: OutlierDetectionConfig, ejected: number, hosts: number): boolean {
  if (config.alwaysEjectOneHost && ejected === 0) return true;
  return (100 * (ejected + 1)) / hosts <= Math.min(100, config.maxEjectionPercent);
}

/** Percentage of detections of that kind that lead to an ejection. */
export function enforcingPercent(config: OutlierDetectionConfig, kind: OutlierKind): number {
  switch (kind) {
    case 'consecutive_5xx':
      return config.enforcingConsecutive5xx;
    case 'consecutive_gateway_failure':
      return config.enforcingConsecutiveGatewayFailure;
    case 'consecutive_local_origin_failure':
      return config.enforcingConsecutiveLocalOriginFailure;
    case 'success_rate':
      return config.enforcingSuccessRate;
    case 'success_rate_local_origin':
      return config.enforcingLocalOriginSuccessRate;
    case 'failure_percentage':
      return config.enforcingFailurePercentage;
    case 'failure_percentage_local_origin':
      return config.enforcingFailurePercentageLocalOrigin;
    default:
      return kind satisfies never;
  }
}

/** `jitterMs` was drawn from [0, max_ejection_time_jitter]. */
export function ejected(
  state: EjectionState,
  config: OutlierDetectionConfig,
  nowMs: number,
  jitterMs: number,
): EjectionState {
  const { baseEjectionTimeMs: baseMs, maxEjectionTimeMs: maxMs } = config;
  const mayGrow = state.backoff * baseMs < maxMs + baseMs;
  return {
    isEjected: true,
    numEjections: state.numEjections + 1,
    backoff: mayGrow ? state.backoff + 1 : state.backoff,
    ejectedAtMs: nowMs,
    unejectedAtMs: state.unejectedAtMs,
    jitterMs,
  };
}

/** The state after an interval's tick; `isEjected` turning false is an un-ejection. */
export function afterTick(
  state: EjectionState,
  config: OutlierDetectionConfig,
  nowMs: number,
): EjectionState {
  if (!state.isEjected) {
    if (state.backoff === 0 || state.unejectedAtMs === null) return state;
    const isQuiet = nowMs - state.unejectedAtMs >= config.intervalMs;
    return isQuiet ? { ...state, backoff: state.backoff - 1 } : state;
  }
  const isOver = nowMs >= endsAtMs(state, config);
  return isOver ? { ...state, isEjected: false, unejectedAtMs: nowMs } : state;
}

/** When the ejection that is on has lasted long enough; the next tick then ends it. */
export function endsAtMs(state: EjectionState, config: OutlierDetectionConfig): number {
  const ejectionMs = Math.min(config.baseEjectionTimeMs * state.backoff, config.maxEjectionTimeMs);
  return (state.ejectedAtMs ?? 0) + ejectionMs + state.jitterMs;
}
