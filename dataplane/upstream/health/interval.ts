// How long to wait for a host's next check. Envoy: HealthCheckerImplBase::interval.

import type { Random } from '../../../common/clock.ts';
import type { HealthCheckConfig } from '../../api/config/health-check.ts';
import { readRuntime } from '../../matcher/runtime-value.ts';

/** What a check did to its host; 'pending' = it counts towards a threshold that was not reached. */
export type Transition = 'unchanged' | 'pending' | 'changed';

/** Milliseconds, >= 1. `hasTraffic`: the cluster ever connected to a host for traffic. */
export function nextIntervalMs(
  config: HealthCheckConfig,
  isHealthy: boolean,
  transition: Transition,
  hasTraffic: boolean,
  random: Random,
): number {
  const baseMs = baseIntervalMs(config, isHealthy, transition === 'pending', hasTraffic);
  return bounded(config, withJitter(config, baseMs, config.intervalJitterMs, random));
}

function bounded({ bounds }: HealthCheckConfig, intervalMs: number): number {
  if (bounds === undefined) return intervalMs;
  const ms = Math.min(intervalMs, readRuntime(bounds.maxMs));
  return Math.max(1, ms, readRuntime(bounds.minMs));
}

/** Milliseconds until a host's first check; 0 = at once. */
export function firstIntervalMs(config: HealthCheckConfig, random: Random): number {
  if (config.initialJitterMs === 0) return 0;
  return withJitter(config, 0, config.initialJitterMs, random);
}

function baseIntervalMs(
  config: HealthCheckConfig,
  isHealthy: boolean,
  isPending: boolean,
  hasTraffic: boolean,
): number {
  if (!hasTraffic) {
    return isHealthy && !isPending ? config.noTrafficHealthyIntervalMs : config.noTrafficIntervalMs;
  }
  if (isHealthy) return isPending ? config.healthyEdgeIntervalMs : config.intervalMs;
  return isPending ? config.unhealthyEdgeIntervalMs : config.unhealthyIntervalMs;
}

function withJitter(
  { intervalJitterPercent }: HealthCheckConfig,
  baseMs: number,
  jitterMs: number,
  random: Random,
): number {
  const shareMs = Math.trunc((intervalJitterPercent * baseMs) / 100);
  const added = Math.trunc(random() * shareMs) + Math.trunc(random() * Math.trunc(jitterMs));
  // Never 0: checks would follow each other without a pause.
  return Math.max(1, Math.trunc(baseMs) + added);
}
