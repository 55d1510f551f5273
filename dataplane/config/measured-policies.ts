// Policies that measure hosts: client-side weighted round robin, and our own peak EWMA.

import type { ClientSideWeightedRoundRobinProto, PeakEwmaProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import {
  type ClientSideWeightedRoundRobinData,
  defaultRoundRobin,
  defaultZoneAware,
  type LoadBalancingData,
  type PeakEwmaData,
} from '../api/config/load-balancing.ts';
import type { Compilation } from '../compile/compilation.ts';

/** Envoy: values below are taken for it. */
const MIN_WEIGHT_UPDATE_MS = 100;

/** Reports out of responses; out-of-band ones were refused by the support table. */
export function compileClientSideWeights(
  config: ClientSideWeightedRoundRobinProto,
): ClientSideWeightedRoundRobinData {
  return {
    kind: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
    blackoutPeriodMs: durationMsOr(config.blackout_period, 10_000),
    weightExpirationPeriodMs: durationMsOr(config.weight_expiration_period, 180_000),
    weightUpdatePeriodMs: Math.max(
      MIN_WEIGHT_UPDATE_MS,
      durationMsOr(config.weight_update_period, 1000),
    ),
    errorUtilizationPenalty: wrapperOr(config.error_utilization_penalty, 0),
    metricNames: config.metric_names_for_computing_utilization ?? [],
    locality: defaultZoneAware,
  };
}

/** WrrLocality: localities by their weights, then hosts by `child`. Only this one child, as in Envoy. */
export function compileWrrLocality(
  child: LoadBalancingData,
  path: string,
  compilation: Compilation,
): LoadBalancingData {
  if (child.kind === 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN') {
    return { ...child, locality: { kind: 'locality-weighted' } };
  }
  const text =
    'must be ClientSideWeightedRoundRobin; others have a locality_lb_config of their own';
  compilation.fail(path, text);
  return defaultRoundRobin;
}

export function compilePeakEwma(
  config: PeakEwmaProto,
  path: string,
  compilation: Compilation,
): PeakEwmaData {
  const decayTimeMs = durationMsOr(config.decay_time, 10_000);
  if (decayTimeMs <= 0) compilation.fail(`${path}.decay_time`, 'must be more than 0');
  const choiceCount = wrapperOr(config.choice_count, 2);
  if (choiceCount < 2) compilation.fail(`${path}.choice_count`, 'must be at least 2');
  return {
    kind: 'PEAK_EWMA',
    decayTimeMs,
    defaultLatencyMs: durationMsOr(config.default_latency, 30),
    failureLatencyMs: durationMsOr(config.failure_latency, 1000),
    choiceCount,
  };
}
