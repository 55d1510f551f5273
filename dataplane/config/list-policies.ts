// Round robin, least request and random, and what they share: slow start and how localities count. Each comes in two forms
// that agree in their fields: lb_policy with its *_lb_config, and the extension of the same name.

import type {
  ClusterCommonLbConfigProto,
  ClusterLeastRequestLbConfigProto,
  ClusterRoundRobinLbConfigProto,
  ClusterSlowStartConfigProto,
  LeastRequestProto,
  LocalityLbConfigProto,
  LocalityLbConfigZoneAwareLbConfigProto,
  RandomProto,
  RoundRobinProto,
} from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import {
  defaultZoneAware,
  type LeastRequestData,
  type LocalityLbData,
  type RandomData,
  type RoundRobinData,
  type SlowStartData,
} from '../api/config/load-balancing.ts';
import type { Compilation } from '../compile/compilation.ts';
import { runtimeNumber } from '../compile/matchers.ts';

const DEFAULT_CHOICE_COUNT = 2;
const DEFAULT_MIN_WEIGHT_PERCENT = 10;

/** `locality` is what the form in use says (the extension in itself, a cluster in common_lb_config). */
export function compileRoundRobin(
  config: RoundRobinProto | ClusterRoundRobinLbConfigProto,
  locality: LocalityLbData,
  compilation: Compilation,
): RoundRobinData {
  const slowStart = compileSlowStart(config.slow_start_config, compilation);
  return { kind: 'ROUND_ROBIN', locality, slowStart };
}

/** As compileRoundRobin. */
export function compileLeastRequest(
  config: LeastRequestProto | ClusterLeastRequestLbConfigProto,
  locality: LocalityLbData,
  compilation: Compilation,
): LeastRequestData {
  const bias = config.active_request_bias;
  const activeRequestBias = bias === undefined ? 1 : runtimeNumber('double', bias, compilation);
  return {
    kind: 'LEAST_REQUEST',
    choiceCount: wrapperOr(config.choice_count, DEFAULT_CHOICE_COUNT),
    activeRequestBias,
    selection: ('selection_method' in config ? config.selection_method : undefined) ?? 'N_CHOICES',
    locality,
    slowStart: compileSlowStart(config.slow_start_config, compilation),
  };
}

/** As compileRoundRobin. */
export function compileRandom(locality: LocalityLbData): RandomData {
  return { kind: 'RANDOM', locality };
}

/** What a policy extension says of localities. */
export function localityOfExtension(
  { locality_lb_config: config }: RoundRobinProto | LeastRequestProto | RandomProto,
  compilation: Compilation,
): LocalityLbData {
  return compileLocality(config, compilation);
}

/** What a cluster with lb_policy says of localities. */
export function localityOfCluster(
  config: ClusterCommonLbConfigProto | undefined,
  compilation: Compilation,
): LocalityLbData {
  return compileLocality(config, compilation);
}

function compileLocality(
  config: LocalityLbConfigProto | ClusterCommonLbConfigProto | undefined,
  compilation: Compilation,
): LocalityLbData {
  if (config?.locality_weighted_lb_config !== undefined) return { kind: 'locality-weighted' };
  const { runtime } = compilation.context;
  // A cluster's own message has fewer fields than the extensions'.
  const zone: LocalityLbConfigZoneAwareLbConfigProto = config?.zone_aware_lb_config ?? {};
  return {
    kind: 'zone-aware',
    routingEnabledPercent: runtime.integer(
      'upstream.zone_routing.enabled',
      zone.routing_enabled === undefined ? 100 : Math.round(zone.routing_enabled.value ?? 0),
    ),
    minClusterSize: runtime.integer(
      'upstream.zone_routing.min_cluster_size',
      Number(wrapperOr(zone.min_cluster_size, 6)),
    ),
    failTrafficOnPanic: zone.fail_traffic_on_panic ?? false,
    forceLocalZoneMinSize: forceLocalZone(zone),
    localityBasis: zone.locality_basis ?? defaultZoneAware.localityBasis,
  };
}

function forceLocalZone(zone: LocalityLbConfigZoneAwareLbConfigProto): number | null {
  if (zone.force_local_zone !== undefined) return wrapperOr(zone.force_local_zone.min_size, 1);
  return zone.force_locality_direct_routing === true ? 1 : null;
}

/** Null = there is none. */
export function compileSlowStart(
  config: ClusterSlowStartConfigProto | undefined,
  compilation: Compilation,
): SlowStartData | null {
  const windowMs = durationMsOr(config?.slow_start_window, 0);
  if (config === undefined || windowMs <= 0) return null;
  const { aggression: given, min_weight_percent: percent } = config;
  const aggression = given === undefined ? 1 : runtimeNumber('double', given, compilation);
  return {
    windowMs,
    aggression,
    minWeightPercent: percent === undefined ? DEFAULT_MIN_WEIGHT_PERCENT : (percent.value ?? 0),
  };
}
