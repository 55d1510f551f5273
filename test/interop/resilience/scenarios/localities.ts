// Scenarios: which locality and which host of it gets what: weights, zones, least request, and drop_overload.

import {
  alike,
  always,
  type Fragment,
  type HostScript,
  hang,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';

const REQUESTS = 400;
/** When they are made anew. */
const zoneStructures = [
  {
    at: /lb_recalculate_zone_structures|lb_zone_cluster_too_small|lb_local_cluster_not_ok/,
    reason: '**Zone structures**',
  },
];
const policies = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

/** Each host's zone and weight: 'a', 'a', 'b' or 'a*3' for weight 3. */
function hostsIn(zones: readonly string[]): readonly HostScript[] {
  return zones.map((zone) => {
    const [, weight = '1'] = zone.split('*');
    return always(ok, { endpoint: { load_balancing_weight: Number(weight) } });
  });
}

/** One locality per zone, with weights where they are given. */
function localities(
  zones: readonly string[],
  weights: Readonly<Record<string, number>> = {},
): NonNullable<Scenario['endpoints']> {
  const zoneOf = (zone: string) => zone.split('*')[0] ?? '';
  return (endpoints) =>
    [...new Set(zones.map(zoneOf))].map((zone) => ({
      locality: { zone },
      ...(weights[zone] === undefined ? {} : { load_balancing_weight: weights[zone] }),
      lb_endpoints: endpoints.filter((_, i) => zoneOf(zones[i] ?? '') === zone),
    }));
}

function shared(
  name: string,
  zones: readonly string[],
  shares: readonly number[],
  cluster: Fragment,
  weights: Readonly<Record<string, number>> = {},
): Scenario {
  const used = zones.filter((_, i) => (shares[i] ?? 0) > 0);
  const isOneZone = new Set(used).size === 1;
  return {
    name,
    hosts: hostsIn(zones),
    endpoints: localities(zones, weights),
    cluster,
    drive: async (scene) => {
      await scene.send({ count: REQUESTS, concurrent: 4 });
    },
    picks: { chiSquared: true, shares },
    // Connections are made as chance wants them; which way a request goes is chance, too.
    ignoreStats: isOneZone
      ? [/cx_|pending_total/]
      : [/cx_|pending_total|lb_zone_routing|lb_zone_no_capacity|zone\.a\./],
    differences: zoneStructures,
  };
}

function extension(name: string, fields: Fragment): Fragment {
  const typed_config = { '@type': `${policies}.${name}`, ...fields };
  const policy = { typed_extension_config: { name: 'p', typed_config } };
  return { load_balancing_policy: { policies: [policy] } };
}

const random = (locality_lb_config: Fragment): Fragment =>
  extension('random.v3.Random', { locality_lb_config });
const weighted = { locality_weighted_lb_config: {} };
const byWeight = { common_lb_config: weighted };

const byLocalityWeight: readonly Scenario[] = [
  shared(
    'locality weights 3 to 1, whatever the number of hosts',
    ['a', 'b', 'b'],
    [0.75, 0.125, 0.125],
    byWeight,
    { a: 3, b: 1 },
  ),
  shared('the same by an extension', ['a', 'b', 'b'], [0.75, 0.125, 0.125], random(weighted), {
    a: 3,
    b: 1,
  }),
  shared('a locality without a weight gets nothing', ['a', 'b'], [1, 0], byWeight, { a: 1 }),
  {
    ...shared(
      'a locality with half of its hosts gets 0.7 of its weight',
      ['a', 'a', 'b'],
      [7 / 17, 0, 10 / 17],
      byWeight,
      { a: 1, b: 1 },
    ),
    hosts: [always(ok), always(ok, { endpoint: { health_status: 'UNHEALTHY' } }), always(ok)],
  },
  shared(
    'locality weights are not heeded unless asked for',
    ['a', 'b'],
    [0.5, 0.5],
    {},
    {
      a: 9,
      b: 1,
    },
  ),
];

// Sidecars: 40 % in our zone a, 40 % in b, 20 % in c (the topic's bootstrap).
const zoneAware = (fields: Fragment = {}): Fragment => ({
  lb_policy: 'RANDOM',
  common_lb_config: { zone_aware_lb_config: { min_cluster_size: 1, ...fields } },
});

const byZone: readonly Scenario[] = [
  shared(
    'all stays in the own zone while its share is not less',
    ['a', 'a', 'b', 'b'],
    [0.5, 0.5, 0, 0],
    zoneAware(),
  ),
  shared(
    'what the own zone has no share for goes to spare shares of others',
    ['a', 'a', 'b', 'b', 'b', 'b', 'c', 'c'],
    [...Array(2).fill(0.3125), ...Array(4).fill(0.0625), ...Array(2).fill(0.0625)],
    zoneAware(),
  ),
  shared(
    'zones do not matter to a cluster below min_cluster_size',
    ['a', 'b', 'b'],
    Array(3).fill(1 / 3),
    {
      lb_policy: 'RANDOM',
    },
  ),
  shared(
    'zones matter by themselves to a cluster of six',
    ['a', 'a', 'a', 'b', 'b', 'b'],
    [...Array(3).fill(1 / 3), 0, 0, 0],
    {
      lb_policy: 'RANDOM',
    },
  ),
  shared(
    'routing_enabled 50: half of the requests heed zones',
    ['a', 'b'],
    [0.75, 0.25],
    zoneAware({ routing_enabled: { value: 50 } }),
  ),
  shared(
    'force_local_zone keeps all in the own zone',
    ['a', 'b', 'b', 'b'],
    [1, 0, 0, 0],
    random({ zone_aware_lb_config: { min_cluster_size: 1, force_local_zone: {} } }),
  ),
  shared(
    'force_local_zone asks for so many hosts in the own zone',
    ['a', 'b', 'b', 'b'],
    // 25 % of 40 % stay; of the rest everything is b's.
    [0.625, 0.125, 0.125, 0.125],
    random({ zone_aware_lb_config: { min_cluster_size: 1, force_local_zone: { min_size: 2 } } }),
  ),
  shared(
    'locality_basis HEALTHY_HOSTS_WEIGHT counts weights',
    ['a*1', 'b*9'],
    [0.25, 0.75],
    random({
      zone_aware_lb_config: { min_cluster_size: 1, locality_basis: 'HEALTHY_HOSTS_WEIGHT' },
    }),
  ),
];

const byHost: readonly Scenario[] = [
  {
    ...shared(
      'round robin by weights 5, 1 and 1',
      ['a*5', 'a*1', 'a*1'],
      [5 / 7, 1 / 7, 1 / 7],
      {},
    ),
    name: 'round robin by weights 5, 1 and 1',
    picks: { within: 16 },
  },
  shared('random heeds no weights', ['a*5', 'a*1'], [0.5, 0.5], { lb_policy: 'RANDOM' }),
  {
    ...shared('least request by weights 2 and 1, one request at a time', ['a*2', 'a*1'], [], {
      lb_policy: 'LEAST_REQUEST',
    }),
    drive: async (scene) => {
      await scene.send({ count: 90 });
    },
    picks: { within: 12 },
  },
  {
    name: 'least request with a full scan never takes the busy host',
    hosts: alike(3, {
      kind: 'http1',
      script: (_count, { path }) => (path === '/waits' ? hang : ok),
    }),
    cluster: extension('least_request.v3.LeastRequest', { selection_method: 'FULL_SCAN' }),
    drive: async (scene) => {
      const waiting = scene.send({ path: '/waits' });
      await scene.untilTries(1);
      await scene.send({ count: 60 });
      const busy = scene.tries[0]?.host;
      scene.note('to the busy host', scene.tries.filter(({ host }) => host === busy).length);
      const idle = new Set(scene.tries.map(({ host }) => host)).size - 1;
      scene.note('idle hosts used', idle);
      scene.release({ status: 200, body: 'at last\n' });
      await waiting;
    },
    picks: 'any',
    requests: 'any',
    differences: zoneStructures,
  },
  {
    ...shared('hosts that came at once share alike in slow start', ['a', 'a'], [0.5, 0.5], {
      round_robin_lb_config: { slow_start_config: { slow_start_window: '3600s' } },
    }),
  },
];

const refusals: readonly Scenario[] = [
  {
    name: 'fail_traffic_on_panic: nobody is asked in panic',
    hosts: alike(3, always(ok, { endpoint: { health_status: 'UNHEALTHY' } })),
    cluster: { common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } } },
    drive: async (scene) => {
      await scene.send({ count: 5 });
    },
    picks: 'exact',
    differences: zoneStructures,
  },
  {
    name: 'drop_overloads of 100 % refuse everything',
    hosts: [always(ok)],
    cluster: dropping(100),
    drive: async (scene) => {
      await scene.send({ count: 5 });
    },
    route: { retry_policy: { retry_on: '5xx' } },
    picks: 'exact',
    differences: zoneStructures,
  },
  {
    name: 'drop_overloads of 0 % refuse nothing',
    hosts: [always(ok)],
    cluster: dropping(0),
    drive: async (scene) => {
      await scene.send({ count: 5 });
    },
    picks: 'exact',
    differences: zoneStructures,
  },
];

function dropping(numerator: number): Fragment {
  const drop_overloads = [{ category: 'load', drop_percentage: { numerator } }];
  return { load_assignment: { policy: { drop_overloads } } };
}

/** Nobody sends them anything. */
function sidecars(zone: string, count: number): Fragment {
  const lb_endpoints = Array.from({ length: count }, (_, i) => ({
    endpoint: {
      address: { socket_address: { address: `127.1.${zone.charCodeAt(0)}.${i}`, port_value: 1 } },
    },
  }));
  return { locality: { zone }, lb_endpoints };
}

export const localitiesTopic: Topic = {
  name: 'localities, zones, weights, drop_overload',
  bootstrap: {
    node: { locality: { zone: 'a' } },
    cluster_manager: { local_cluster_name: 'sidecars' },
    static_resources: {
      clusters: [
        {
          name: 'sidecars',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'sidecars',
            endpoints: [sidecars('a', 4), sidecars('b', 4), sidecars('c', 2)],
          },
        },
      ],
    },
  },
  scenarios: [...byLocalityWeight, ...byZone, ...byHost, ...refusals],
};
