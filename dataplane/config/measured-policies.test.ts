import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { defaultZoneAware } from '../api/config/load-balancing.ts';

const OWN = 'type.googleapis.com/remora.load_balancing_policies.peak_ewma.v1.PeakEwma';
const CSWRR =
  'type.googleapis.com/envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin';
const WRR_LOCALITY =
  'type.googleapis.com/envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality';
const ROUND_ROBIN =
  'type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin';
const wrrLocality = (child: string): string =>
  `{"@type": ${WRR_LOCALITY}, endpoint_picking_policy: {policies: [{typed_extension_config: {name: y, typed_config: {"@type": ${child}}}}]}}`;
const typedStruct = (type: string, value: string): string =>
  `{"@type": type.googleapis.com/xds.type.v3.TypedStruct, type_url: ${type}, value: ${value}}`;
const cluster = (typedConfig: string): string =>
  `{name: a, load_balancing_policy: {policies: [{typed_extension_config: {name: x, typed_config: ${typedConfig}}}]}}`;

// The kind says what the compiler makes.
const policyOf = (typedConfig: string) =>
  (compiledData('cluster', cluster(typedConfig)) as ClusterConfig).loadBalancing;
const errorsOf = (typedConfig: string) => resourceErrors('cluster', cluster(typedConfig));

test('peak EWMA comes in a TypedStruct, with defaults for what is left out', () => {
  assert.deepEqual(policyOf(typedStruct(OWN, '{}')), {
    kind: 'PEAK_EWMA',
    decayTimeMs: 10_000,
    defaultLatencyMs: 30,
    failureLatencyMs: 1000,
    choiceCount: 2,
  });
  const value = '{decay_time: 5s, default_latency: 0.1s, failure_latency: 2s, choice_count: 3}';
  assert.deepEqual(policyOf(typedStruct(OWN, value)), {
    kind: 'PEAK_EWMA',
    decayTimeMs: 5000,
    defaultLatencyMs: 100,
    failureLatencyMs: 2000,
    choiceCount: 3,
  });
});

test('what peak EWMA cannot do is refused where it stands', () => {
  assert.match(errorsOf(typedStruct(OWN, '{decay_time: 0s}')).join(), /decay_time: must be more/);
  assert.match(errorsOf(typedStruct(OWN, '{choice_count: 1}')).join(), /choice_count: must be at/);
});

test('a TypedStruct of a type that nobody knows is passed over', () => {
  const unknown = typedStruct('type.googleapis.com/a.B', '{}');
  assert.match(errorsOf(unknown).join(), /policies: has no load balancing policy that we know/);
});

test('client-side weighted round robin has the defaults of Envoy', () => {
  assert.deepEqual(policyOf(`{"@type": ${CSWRR}}`), {
    kind: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
    blackoutPeriodMs: 10_000,
    weightExpirationPeriodMs: 180_000,
    weightUpdatePeriodMs: 1000,
    errorUtilizationPenalty: 0,
    metricNames: [],
    slowStart: null,
    outOfBand: null,
    locality: defaultZoneAware,
  });
  const body = `{"@type": ${CSWRR}, blackout_period: 1s, weight_update_period: 0.05s, metric_names_for_computing_utilization: [named_metrics.a]}`;
  const policy = policyOf(body);
  assert.ok(policy.kind === 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN');
  assert.equal(policy.weightUpdatePeriodMs, 100, 'less is taken for 100 ms');
  assert.deepEqual(policy.metricNames, ['named_metrics.a']);
});

test('out-of-band reports and slow start have the defaults of Envoy', () => {
  const of = (rest: string) => {
    const policy = policyOf(`{"@type": ${CSWRR}, ${rest}}`);
    return policy.kind === 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN' ? policy : null;
  };
  assert.equal(of('enable_oob_load_report: false, oob_reporting_period: 1s')?.outOfBand, null);
  assert.deepEqual(of('enable_oob_load_report: true')?.outOfBand, {
    periodMs: 10_000,
    port: null,
    authority: '',
  });
  const where = 'oob_reporting_period: 2s, oob_reporting_config: {port_value: 9, authority: a}';
  assert.deepEqual(of(`enable_oob_load_report: true, ${where}`)?.outOfBand, {
    periodMs: 2000,
    port: 9,
    authority: 'a',
  });
  assert.deepEqual(of('slow_start_config: {slow_start_window: 5s}')?.slowStart, {
    windowMs: 5000,
    aggression: 1,
    minWeightPercent: 10,
  });
  const zero = `{"@type": ${CSWRR}, enable_oob_load_report: true, oob_reporting_period: 0s}`;
  assert.match(errorsOf(zero).join(), /oob_reporting_period: must be more than 0/);
  const match = `{"@type": ${CSWRR}, oob_reporting_config: {transport_socket_match_criteria: {a: b}}}`;
  assert.match(errorsOf(match).join(), /transport_socket_match_criteria/);
});

test('under wrr_locality, localities count by their weights', () => {
  const policy = policyOf(wrrLocality(CSWRR));
  assert.ok(policy.kind === 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN');
  assert.deepEqual(policy.locality, { kind: 'locality-weighted' });
});

test('wrr_locality takes nothing but client-side weighted round robin, as in Envoy', () => {
  const expected = /endpoint_picking_policy: must be ClientSideWeightedRoundRobin/;
  assert.match(errorsOf(wrrLocality(ROUND_ROBIN)).join(), expected);
  const none = `{"@type": ${WRR_LOCALITY}, endpoint_picking_policy: {}}`;
  assert.match(errorsOf(none).join(), /endpoint_picking_policy\.policies: has no load balancing/);
});
