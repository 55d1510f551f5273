// Policies that measure hosts: client-side weighted round robin, and our own peak EWMA.

import type { ClientSideWeightedRoundRobinProto, PeakEwmaProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import {
  type ClientSideWeightedRoundRobinData,
  defaultRoundRobin,
  defaultZoneAware,
  type LoadBalancingData,
  type OutOfBandReportsData,
  type PeakEwmaData,
} from '../api/config/load-balancing.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileSlowStart } from './list-policies.ts';

/** Envoy: values below are taken for it. */
const MIN_WEIGHT_UPDATE_MS = 100;
const DEFAULT_REPORTING_PERIOD_MS = 10_000;

export function compileClientSideWeights(
  config: ClientSideWeightedRoundRobinProto,
  path: string,
  compilation: Compilation,
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
    slowStart: compileSlowStart(config.slow_start_config, compilation),
    outOfBand: wrapperOr(config.enable_oob_load_report, false)
      ? compileOutOfBand(config, path, compilation)
      : null,
    locality: defaultZoneAware,
  };
}

function compileOutOfBand(
  { oob_reporting_period: period, oob_reporting_config: where }: ClientSideWeightedRoundRobinProto,
  path: string,
  compilation: Compilation,
): OutOfBandReportsData {
  const periodMs = durationMsOr(period, DEFAULT_REPORTING_PERIOD_MS);
  if (periodMs <= 0) compilation.fail(`${path}.oob_reporting_period`, 'must be more than 0');
  const port = where?.port_value ?? 0;
  return { periodMs, port: port === 0 ? null : port, authority: where?.authority ?? '' };
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
