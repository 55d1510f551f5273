// Scenarios: shares of localities, zones, and subsets of hosts.

import {
  alike,
  always,
  type Fragment,
  type HostScript,
  ok,
  type Scenario,
  type Topic,
} from '../scenario.ts';

const REQUESTS = 300;
/** What chance has a hand in. */
const noise = [/cx_|pending_total|lb_healthy_panic|lb_zone_routing|\.zone\./];
/** Of the subset and zone structures that the main thread has in Envoy. */
const mainThread = {
  subsets: { at: /lb_subsets_(active|created)/, reason: '**Subsets** are counted by worker' },
  zones: {
    at: /lb_recalculate_zone_structures|lb_zone_cluster_too_small/,
    reason: '**Zone structures** are counted by worker',
  },
};

function host(health_status: string): HostScript {
  return always(ok, { endpoint: { health_status } });
}

interface Zone {
  readonly weight?: number;
  readonly hosts: readonly string[];
}

function zones(
  name: string,
  list: readonly Zone[],
  shares: readonly number[],
  cluster: Fragment,
): Scenario {
  return {
    name,
    hosts: list.flatMap(({ hosts }) => hosts.map(host)),
    endpoints: (all) => {
      let from = 0;
      return list.map(({ weight, hosts }, i) => {
        const lb_endpoints = all.slice(from, from + hosts.length);
        from += hosts.length;
        return {
          locality: { region: 'here', zone: `z${i}` },
          ...(weight === undefined ? {} : { load_balancing_weight: weight }),
          lb_endpoints,
        };
      });
    },
    cluster,
    drive: async (scene) => {
      await scene.send({ count: REQUESTS, concurrent: 4 });
    },
    picks: { chiSquared: true, shares },
    ignoreStats: noise,
  };
}

const up = 'HEALTHY';
const down = 'UNHEALTHY';
const weighted = { common_lb_config: { locality_weighted_lb_config: {} } };

/** Hosts of two versions, one of them also a canary. */
const versions: readonly HostScript[] = [
  { version: 'v1', stage: 'prod' },
  { version: 'v1', stage: 'canary' },
  { version: 'v2', stage: 'prod' },
].map((values) =>
  always(ok, { endpoint: { metadata: { filter_metadata: { 'envoy.lb': values } } } }),
);

function subsets(
  name: string,
  lb_subset_config: Fragment,
  match: Fragment | null,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    hosts: versions,
    cluster: { lb_subset_config },
    route: match === null ? {} : { metadata_match: { filter_metadata: { 'envoy.lb': match } } },
    drive: async (scene) => {
      await scene.send({ count: 12 });
    },
    picks: { within: 0 },
    differences: [mainThread.subsets],
    ...more,
  };
}

const byVersion = { subset_selectors: [{ keys: ['version'] }] };

const subsetScenarios: readonly Scenario[] = [
  subsets('a subset of one host', byVersion, { version: 'v2' }, { picks: 'exact' }),
  subsets('a subset of two hosts', byVersion, { version: 'v1' }),
  subsets('NO_FALLBACK: nobody is there, 503 UH', byVersion, { version: 'v3' }),
  subsets(
    'ANY_ENDPOINT: nobody is there, so anybody',
    { ...byVersion, fallback_policy: 'ANY_ENDPOINT' },
    { version: 'v3' },
  ),
  subsets(
    'DEFAULT_SUBSET: nobody is there, so the default',
    { ...byVersion, fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'prod' } },
    { version: 'v3' },
  ),
  subsets('a key that no selector has is no match', byVersion, { stage: 'prod' }),
  subsets('no metadata_match at all', byVersion, null),
  subsets(
    'KEYS_SUBSET: the selector falls back to fewer keys',
    {
      subset_selectors: [
        {
          keys: ['version', 'stage'],
          fallback_policy: 'KEYS_SUBSET',
          fallback_keys_subset: ['version'],
        },
        { keys: ['version'] },
      ],
    },
    { version: 'v1', stage: 'nowhere' },
  ),
  subsets(
    'single_host_per_subset',
    { subset_selectors: [{ keys: ['stage'], single_host_per_subset: true }] },
    { stage: 'canary' },
    { picks: 'exact' },
  ),
  subsets(
    'panic_mode_any: an unhealthy subset panics into all hosts',
    { ...byVersion, panic_mode_any: true },
    { version: 'v2' },
  ),
];

export const localities: Topic = {
  name: 'localities and subsets',
  scenarios: [
    zones(
      'locality weights 1 to 3',
      [
        { weight: 1, hosts: [up] },
        { weight: 3, hosts: [up, up] },
      ],
      [0.25, 0.375, 0.375],
      weighted,
    ),
    zones(
      'a locality without a weight gets nothing',
      [{ weight: 1, hosts: [up] }, { hosts: [up] }],
      [1, 0],
      weighted,
    ),
    zones(
      'a locality with a part of its hosts gets less',
      [
        { weight: 1, hosts: [up, down] },
        { weight: 1, hosts: [up, up] },
      ],
      // 0.7 to 1.
      [0.41176, 0, 0.29412, 0.29412],
      weighted,
    ),
    zones(
      'without locality weighting weights of localities do nothing',
      [
        { weight: 1, hosts: [up] },
        { weight: 9, hosts: [up] },
      ],
      [0.5, 0.5],
      {},
    ),
    zones(
      'locality weights by the extension, for random',
      [
        { weight: 1, hosts: [up] },
        { weight: 3, hosts: [up] },
      ],
      [0.25, 0.75],
      {
        lb_policy: 'LOAD_BALANCING_POLICY_CONFIG',
        load_balancing_policy: {
          policies: [
            {
              typed_extension_config: {
                name: 'envoy.load_balancing_policies.random',
                typed_config: {
                  '@type':
                    'type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random',
                  locality_lb_config: { locality_weighted_lb_config: {} },
                },
              },
            },
          ],
        },
      },
    ),
    ...subsetScenarios,
  ],
};

const zoneAware: Fragment = {
  common_lb_config: { zone_aware_lb_config: { min_cluster_size: 2 } },
};

const scenarios: readonly Scenario[] = [
  zones(
    'as many hosts here as there: all stays here',
    [{ hosts: [up, up] }, { hosts: [up, up] }],
    [0.5, 0.5, 0, 0],
    zoneAware,
  ),
  zones(
    'fewer hosts here than our share: the rest goes over',
    [{ hosts: [up] }, { hosts: [up, up, up] }],
    [0.5, 1 / 6, 1 / 6, 1 / 6],
    zoneAware,
  ),
  zones(
    'fewer hosts than min_cluster_size: zones do not matter',
    [{ hosts: [up] }, { hosts: [up] }],
    [0.5, 0.5],
    { common_lb_config: { zone_aware_lb_config: {} } },
  ),
  zones(
    'a host that is down here sends a part over',
    [{ hosts: [up, down] }, { hosts: [up, up] }],
    [2 / 3, 0, 1 / 6, 1 / 6],
    zoneAware,
  ),
  {
    ...zones('x', [{ hosts: [down] }, { hosts: [down] }], [0, 0], {
      common_lb_config: {
        zone_aware_lb_config: { fail_traffic_on_panic: true, min_cluster_size: 2 },
      },
    }),
    name: 'fail_traffic_on_panic: 503 UH instead of panic',
    hosts: alike(2, host(down)),
    drive: async (scene) => {
      await scene.send({ count: 3 });
    },
    picks: 'exact',
  },
];

/** Where this proxy is: zone z0; its own cluster has as many hosts in either zone. */
function zoneTopic(): Topic {
  const own = (zone: string, port: number): Fragment => ({
    locality: { region: 'here', zone },
    lb_endpoints: [
      { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } },
    ],
  });
  return {
    name: 'zone-aware routing',
    bootstrap: {
      node: { locality: { region: 'here', zone: 'z0' } },
      cluster_manager: { local_cluster_name: 'own' },
      static_resources: {
        clusters: [
          {
            ...{ name: 'own', type: 'STATIC', connect_timeout: '1s' },
            load_assignment: { cluster_name: 'own', endpoints: [own('z0', 1), own('z1', 2)] },
          },
        ],
      },
    },
    scenarios: scenarios.map((one) => ({ ...one, differences: [mainThread.zones] })),
  };
}

export const zoneAwareRouting = zoneTopic();
