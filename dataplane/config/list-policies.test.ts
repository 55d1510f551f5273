import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leastRequestOf } from '../../test/fakes/cluster-config.ts';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { defaultRoundRobin, defaultZoneAware } from '../api/config/load-balancing.ts';

// The kind says what the compiler makes.
const loadBalancing = (fields: string) =>
  (compiledData('cluster', `{name: a, ${fields}}`) as ClusterConfig).loadBalancing;
const errors = (fields: string) => resourceErrors('cluster', `{name: a, ${fields}}`);
const extension = (name: string, body = ''): string =>
  `load_balancing_policy: {policies: [{typed_extension_config: {name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.${name}${body}}}}]}`;

const slowStart = `slow_start_config: {slow_start_window: 60s, aggression: {default_value: 2, runtime_key: k}, min_weight_percent: {value: 25}}`;
const slowStartData = { windowMs: 60_000, aggression: 2, minWeightPercent: 25 };

describe('round robin, least request and random', () => {
  it('take slow start in both forms', () => {
    const rr = { ...defaultRoundRobin, slowStart: slowStartData };
    assert.deepEqual(loadBalancing(`round_robin_lb_config: {${slowStart}}`), rr);
    assert.deepEqual(loadBalancing(extension('round_robin.v3.RoundRobin', `, ${slowStart}`)), rr);
    const lr = leastRequestOf({ slowStart: slowStartData });
    const byPolicy = `lb_policy: LEAST_REQUEST, least_request_lb_config: {${slowStart}}`;
    assert.deepEqual(loadBalancing(byPolicy), lr);
    assert.deepEqual(
      loadBalancing(extension('least_request.v3.LeastRequest', `, ${slowStart}`)),
      lr,
    );
  });

  it('have no slow start without a window', () => {
    assert.deepEqual(
      loadBalancing('round_robin_lb_config: {slow_start_config: {}}'),
      defaultRoundRobin,
    );
  });

  it('take localities by weight or by zone, in both forms', () => {
    const weighted = { kind: 'locality-weighted' };
    assert.deepEqual(loadBalancing('common_lb_config: {locality_weighted_lb_config: {}}'), {
      ...defaultRoundRobin,
      locality: weighted,
    });
    const byExtension = ', locality_lb_config: {locality_weighted_lb_config: {}}';
    assert.deepEqual(loadBalancing(extension('random.v3.Random', byExtension)), {
      kind: 'RANDOM',
      locality: weighted,
    });
    const zone = `zone_aware_lb_config: {routing_enabled: {value: 49.6}, min_cluster_size: 3, fail_traffic_on_panic: true}`;
    const zoneData = {
      ...defaultZoneAware,
      routingEnabledPercent: 50,
      minClusterSize: 3,
      failTrafficOnPanic: true,
    };
    assert.deepEqual(loadBalancing(`lb_policy: RANDOM, common_lb_config: {${zone}}`), {
      kind: 'RANDOM',
      locality: zoneData,
    });
    const more = zone.replace(
      /}$/,
      ', force_local_zone: {min_size: 2}, locality_basis: HEALTHY_HOSTS_WEIGHT}',
    );
    assert.deepEqual(
      loadBalancing(extension('random.v3.Random', `, locality_lb_config: {${more}}`)),
      {
        kind: 'RANDOM',
        locality: { ...zoneData, forceLocalZoneMinSize: 2, localityBasis: 'HEALTHY_HOSTS_WEIGHT' },
      },
    );
    const forced =
      ', locality_lb_config: {zone_aware_lb_config: {force_locality_direct_routing: true}}';
    assert.deepEqual(loadBalancing(extension('random.v3.Random', forced)), {
      kind: 'RANDOM',
      locality: { ...defaultZoneAware, forceLocalZoneMinSize: 1 },
    });
  });

  it('scan all hosts where selection_method says so', () => {
    const lr = extension('least_request.v3.LeastRequest', ', selection_method: FULL_SCAN');
    assert.deepEqual(loadBalancing(lr), leastRequestOf({ selection: 'FULL_SCAN' }));
  });

  it('are not told about localities twice', () => {
    const both = `${extension('random.v3.Random')}, common_lb_config: {zone_aware_lb_config: {}}`;
    assert.match(
      errors(both).join(),
      /common_lb_config.zone_aware_lb_config: cannot be combined with load_balancing_policy/,
    );
  });
});
