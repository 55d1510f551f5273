// Subsets, rule by rule. The comments say what Envoy 1.40 does.

import type { Scenario } from './scenario.ts';

const policies = 'envoy.load_balancing_policies';
const policyTypes = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

/** The extension instead of lb_subset_config. */
function subsetPolicy(fields: Readonly<Record<string, unknown>>, child: string, type: string) {
  const policy = (name: string, message: string, config: Readonly<Record<string, unknown>>) => ({
    policies: [
      {
        typed_extension_config: {
          name: `${policies}.${name}`,
          typed_config: { '@type': `${policyTypes}.${name}.v3.${message}`, ...config },
        },
      },
    ],
  });
  const subset_lb_policy = policy(child, type, {});
  return { load_balancing_policy: policy('subset', 'Subset', { ...fields, subset_lb_policy }) };
}

const versions = [
  { host: 0, lb: { version: 'v1', stage: 'prod' } },
  { host: 1, lb: { version: 'v1', stage: 'dev' } },
  { host: 2, lb: { version: 'v2', stage: 'prod' } },
  { host: 3, lb: { version: 'v2', stage: 'prod' } },
  { host: 4 },
];

export const subsetScenarios: readonly Scenario[] = [
  {
    name: 'no-fallback',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        subset_selectors: [{ keys: ['version'] }, { keys: ['stage', 'version'] }],
      },
    },
    routes: {
      v1: { version: 'v1' },
      both: { version: 'v2', stage: 'prod' },
      unknown: { version: 'v3' },
      more: { version: 'v1', other: 'x' },
      less: { stage: 'prod' },
      none: null,
      empty: {},
    },
    runs: [
      { route: 'v1', count: 8 },
      { route: 'both', count: 8 },
      { route: 'unknown', count: 2 },
      { route: 'more', count: 2 },
      { route: 'less', count: 2 },
      { route: 'none', count: 2 },
      { route: 'empty', count: 2 },
    ],
  },
  {
    name: 'any-endpoint',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        fallback_policy: 'ANY_ENDPOINT',
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { v1: { version: 'v1' }, unknown: { version: 'v3' }, none: null },
    runs: [
      { route: 'v1', count: 8 },
      { route: 'unknown', count: 15 },
      { route: 'none', count: 15 },
    ],
  },
  {
    name: 'default-subset',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { stage: 'prod', version: 'v2' },
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { v1: { version: 'v1' }, unknown: { version: 'v3' }, none: null },
    runs: [
      { route: 'v1', count: 8 },
      { route: 'unknown', count: 8 },
      { route: 'none', count: 8 },
    ],
  },
  {
    name: 'empty-default',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { version: 'v9' },
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { v1: { version: 'v1' }, unknown: { version: 'v3' } },
    runs: [
      { route: 'v1', count: 4 },
      { route: 'unknown', count: 4 },
    ],
  },
  {
    name: 'default-without-values',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        fallback_policy: 'DEFAULT_SUBSET',
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { unknown: { version: 'v3' } },
    runs: [{ route: 'unknown', count: 15 }],
  },
  {
    name: 'no-selectors',
    endpoints: versions,
    cluster: {
      lb_subset_config: { fallback_policy: 'DEFAULT_SUBSET', default_subset: { version: 'v1' } },
    },
    routes: { v2: { version: 'v2' }, none: null },
    runs: [
      { route: 'v2', count: 6 },
      { route: 'none', count: 6 },
    ],
  },
  {
    name: 'selectors-alone',
    endpoints: versions,
    // fallback_policy NO_FALLBACK without selectors: subsets are off.
    cluster: { lb_subset_config: {} },
    routes: { v2: { version: 'v2' } },
    runs: [{ route: 'v2', count: 15 }],
  },
  {
    name: 'panic-mode-any',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { version: 'v9' },
        panic_mode_any: true,
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { v1: { version: 'v1' }, unknown: { version: 'v3' }, none: null },
    runs: [
      { route: 'v1', count: 8 },
      { route: 'unknown', count: 15 },
      { route: 'none', count: 15 },
    ],
  },
  {
    name: 'panic-without-fallback',
    endpoints: versions,
    cluster: {
      lb_subset_config: { panic_mode_any: true, subset_selectors: [{ keys: ['version'] }] },
    },
    routes: { unknown: { version: 'v3' } },
    runs: [{ route: 'unknown', count: 4 }],
  },
  {
    name: 'selector-fallbacks',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        fallback_policy: 'NO_FALLBACK',
        default_subset: { version: 'v1', stage: 'dev' },
        subset_selectors: [
          { keys: ['stage'], fallback_policy: 'ANY_ENDPOINT' },
          { keys: ['version'], fallback_policy: 'DEFAULT_SUBSET' },
          { keys: ['hardware'], fallback_policy: 'NOT_DEFINED' },
          { keys: ['tier'], fallback_policy: 'NO_FALLBACK' },
          {
            keys: ['stage', 'version'],
            fallback_policy: 'KEYS_SUBSET',
            fallback_keys_subset: ['version'],
          },
        ],
      },
    },
    routes: {
      any: { stage: 'qa' },
      default: { version: 'v7' },
      inherit: { hardware: 'arm' },
      no: { tier: 'x' },
      'keys-found': { version: 'v2', stage: 'qa' },
      'keys-default': { version: 'v7', stage: 'qa' },
      'no-selector': { other: 'x' },
    },
    runs: [
      { route: 'any', count: 15 },
      { route: 'default', count: 4 },
      { route: 'inherit', count: 2 },
      { route: 'no', count: 2 },
      { route: 'keys-found', count: 6 },
      { route: 'keys-default', count: 4 },
      { route: 'no-selector', count: 2 },
    ],
  },
  {
    name: 'selector-fallback-over-cluster',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        fallback_policy: 'ANY_ENDPOINT',
        panic_mode_any: true,
        default_subset: { version: 'v9' },
        subset_selectors: [
          { keys: ['version'], fallback_policy: 'NO_FALLBACK' },
          { keys: ['stage'], fallback_policy: 'DEFAULT_SUBSET' },
          { keys: ['hardware'] },
        ],
      },
    },
    routes: { no: { version: 'v7' }, default: { stage: 'qa' }, inherit: { hardware: 'arm' } },
    runs: [
      { route: 'no', count: 2 },
      { route: 'default', count: 2 },
      { route: 'inherit', count: 15 },
    ],
  },
  {
    // The fallback of the second selector is lost in Envoy: its node stands in the tree already.
    name: 'selector-order',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        subset_selectors: [
          { keys: ['hardware', 'stage'] },
          { keys: ['hardware'], fallback_policy: 'ANY_ENDPOINT' },
        ],
      },
    },
    routes: { hardware: { hardware: 'arm' } },
    differs: ['hardware'],
    runs: [{ route: 'hardware', count: 15 }],
  },
  {
    name: 'unhealthy-subset',
    endpoints: [
      { host: 0, lb: { version: 'v1' }, health: 'UNHEALTHY' },
      { host: 1, lb: { version: 'v1' }, health: 'UNHEALTHY' },
      { host: 2, lb: { version: 'v2' } },
      { host: 3, lb: { version: 'v2' } },
    ],
    cluster: {
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
      lb_subset_config: {
        fallback_policy: 'ANY_ENDPOINT',
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { v1: { version: 'v1' }, v2: { version: 'v2' } },
    runs: [
      { route: 'v1', count: 4 },
      { route: 'v2', count: 4 },
    ],
  },
  {
    name: 'subset-panic',
    endpoints: [
      { host: 0, lb: { version: 'v1' }, health: 'UNHEALTHY' },
      { host: 1, lb: { version: 'v1' }, health: 'UNHEALTHY' },
      { host: 2, lb: { version: 'v2' } },
      { host: 3, lb: { version: 'v2' } },
    ],
    cluster: { lb_subset_config: { subset_selectors: [{ keys: ['version'] }] } },
    routes: { v1: { version: 'v1' } },
    runs: [{ route: 'v1', count: 6 }],
  },
  {
    name: 'priorities',
    endpoints: [
      { host: 0, lb: { version: 'v1' } },
      { host: 1, lb: { version: 'v2' }, priority: 1 },
      { host: 2, lb: { version: 'v1' }, priority: 1 },
      { host: 3, lb: { version: 'v3' }, priority: 2 },
    ],
    cluster: {
      lb_subset_config: {
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { version: 'v2' },
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: {
      v1: { version: 'v1' },
      v2: { version: 'v2' },
      v3: { version: 'v3' },
      none: null,
    },
    runs: [
      { route: 'v1', count: 6 },
      { route: 'v2', count: 6 },
      { route: 'v3', count: 6 },
      { route: 'none', count: 6 },
    ],
  },
  {
    name: 'kinds-of-values',
    endpoints: [
      { host: 0, lb: { v: 1 } },
      { host: 1, lb: { v: '1' } },
      { host: 2, lb: { v: true } },
      { host: 3, lb: { v: ['a', 'b'] } },
      { host: 4, lb: { v: { x: 1, y: [2] } } },
      { host: 5, lb: { v: null } },
      { host: 6, lb: { v: 'a' } },
    ],
    cluster: { lb_subset_config: { subset_selectors: [{ keys: ['v'] }] } },
    routes: {
      number: { v: 1.0 },
      string: { v: '1' },
      bool: { v: true },
      list: { v: ['a', 'b'] },
      'list-order': { v: ['b', 'a'] },
      struct: { v: { y: [2], x: 1 } },
      null: { v: null },
      a: { v: 'a' },
    },
    runs: ['number', 'string', 'bool', 'list', 'list-order', 'struct', 'null', 'a'].map(
      (route) => ({ route, count: 2 }),
    ),
  },
  {
    // A host whose list for the first key is empty is in a subset of the other keys in Envoy (host 3: `w=x`).
    name: 'list-as-any',
    differs: ['other-key'],
    statsDiffer: [
      'lb_subsets_active',
      'lb_subsets_created',
      'lb_subsets_selected',
      'lb_subsets_fallback',
    ],
    endpoints: [
      { host: 0, lb: { v: ['a', 'b'], w: ['x', 'y'] } },
      { host: 1, lb: { v: ['b'], w: 'x' } },
      { host: 2, lb: { v: 'a', w: ['y'] } },
      { host: 3, lb: { v: [], w: 'x' } },
      { host: 4, lb: { w: [], v: 'c' } },
    ],
    cluster: {
      lb_subset_config: {
        list_as_any: true,
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { w: 'x' },
        subset_selectors: [{ keys: ['v'] }, { keys: ['v', 'w'] }],
      },
    },
    routes: {
      a: { v: 'a' },
      b: { v: 'b' },
      c: { v: 'c' },
      ay: { v: 'a', w: 'y' },
      list: { v: ['a', 'b'] },
      cw: { v: 'c', w: 'x' },
      'other-key': { w: 'x' },
    },
    runs: ['a', 'b', 'c', 'ay', 'list', 'cw', 'other-key'].map((route) => ({ route, count: 10 })),
  },
  {
    // The gauge of duplicates is that of the last priority in Envoy.
    name: 'single-host',
    statsDiffer: ['lb_subsets_single_host_per_subset_duplicate'],
    endpoints: [
      { host: 0, lb: { id: 'a' } },
      { host: 1, lb: { id: 'b' }, priority: 1 },
      { host: 2, lb: { id: 'a' } },
      { host: 3, lb: { id: 'c' }, health: 'UNHEALTHY' },
      { host: 4, lb: { id: 'a' }, priority: 1 },
    ],
    cluster: {
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
      lb_subset_config: {
        subset_selectors: [{ keys: ['id'], single_host_per_subset: true }],
      },
    },
    routes: { a: { id: 'a' }, b: { id: 'b' }, c: { id: 'c' }, d: { id: 'd' } },
    runs: ['a', 'b', 'c', 'd'].map((route) => ({ route, count: 4 })),
  },
  {
    name: 'redundant-keys',
    endpoints: versions,
    cluster: subsetPolicy(
      {
        allow_redundant_keys: true,
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { stage: 'dev' },
        subset_selectors: [
          { keys: ['version'], fallback_policy: 'NO_FALLBACK' },
          { keys: ['stage'] },
          { keys: ['stage', 'version'], fallback_policy: 'ANY_ENDPOINT' },
        ],
      },
      'round_robin',
      'RoundRobin',
    ),
    routes: {
      exact: { version: 'v1' },
      more: { version: 'v1', other: 'x' },
      most: { version: 'v1', stage: 'dev', other: 'x' },
      first: { version: 'v2', stage: 'qa', other: 'x' },
      'no-such': { version: 'v7', other: 'x' },
      other: { other: 'x' },
    },
    runs: ['exact', 'more', 'most', 'first', 'no-such', 'other'].map((route) => ({
      route,
      count: 15,
    })),
  },
  {
    name: 'fallback-list',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        metadata_fallback_policy: 'FALLBACK_LIST',
        subset_selectors: [{ keys: ['version'] }, { keys: ['stage', 'version'] }],
      },
    },
    routes: {
      second: { version: 'v9', fallback_list: [{ version: 'v8' }, { version: 'v2' }] },
      'own-first': { version: 'v1', fallback_list: [{ version: 'v2' }] },
      merged: { version: 'v1', fallback_list: [{ stage: 'prod' }] },
      'empty-struct': { version: 'v1', fallback_list: [{}] },
      'empty-list': { version: 'v1', fallback_list: [] },
      'no-list': { version: 'v1' },
      'not-a-list': { version: 'v1', fallback_list: 'v2' },
      'not-structs': { version: 'v1', fallback_list: ['v2', { version: 'v2' }] },
      alone: { fallback_list: [{ version: 'v2' }] },
      'alone-empty': { fallback_list: [] },
      none: { version: 'v9', fallback_list: [{ version: 'v8' }] },
    },
    runs: [
      'second',
      'own-first',
      'merged',
      'empty-struct',
      'empty-list',
      'no-list',
      'not-a-list',
      'not-structs',
      'alone',
      'alone-empty',
      'none',
    ].map((route) => ({ route, count: 6 })),
  },
  {
    name: 'fallback-list-and-default',
    endpoints: versions,
    cluster: {
      lb_subset_config: {
        metadata_fallback_policy: 'FALLBACK_LIST',
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { stage: 'dev' },
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: {
      first: { fallback_list: [{ version: 'v8' }, { version: 'v2' }] },
      'not-used': { version: 'v1', fallback_list: [{ version: 'v2' }] },
    },
    runs: [
      { route: 'first', count: 4 },
      { route: 'not-used', count: 6 },
    ],
  },
  {
    name: 'locality-weights',
    endpoints: [
      { host: 0, lb: { version: 'v1' }, zone: 'a' },
      { host: 1, lb: { version: 'v2' }, zone: 'a' },
      { host: 2, lb: { version: 'v2' }, zone: 'a' },
      { host: 3, lb: { version: 'v1' }, zone: 'b' },
      { host: 4, lb: { version: 'v1' }, zone: 'b' },
    ],
    zoneWeights: { a: 3, b: 1 },
    cluster: {
      common_lb_config: { locality_weighted_lb_config: {} },
      lb_subset_config: {
        fallback_policy: 'ANY_ENDPOINT',
        locality_weight_aware: true,
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { v1: { version: 'v1' }, any: null },
    runs: [
      { route: 'v1', count: 160 },
      { route: 'any', count: 160 },
    ],
    tolerance: 0.08,
  },
  {
    name: 'scaled-locality-weights',
    endpoints: [
      { host: 0, lb: { version: 'v1' }, zone: 'a' },
      { host: 1, lb: { version: 'v2' }, zone: 'a' },
      { host: 2, lb: { version: 'v2' }, zone: 'a' },
      { host: 3, lb: { version: 'v1' }, zone: 'b' },
      { host: 4, lb: { version: 'v1' }, zone: 'b' },
    ],
    zoneWeights: { a: 60, b: 20 },
    cluster: {
      common_lb_config: { locality_weighted_lb_config: {} },
      lb_subset_config: {
        locality_weight_aware: true,
        scale_locality_weight: true,
        subset_selectors: [{ keys: ['version'] }],
      },
    },
    routes: { v1: { version: 'v1' } },
    runs: [{ route: 'v1', count: 160 }],
    tolerance: 0.08,
  },
  {
    name: 'weights-not-aware',
    endpoints: [
      { host: 0, lb: { version: 'v1' }, zone: 'a' },
      { host: 3, lb: { version: 'v1' }, zone: 'b' },
      { host: 4, lb: { version: 'v1' }, zone: 'b' },
    ],
    zoneWeights: { a: 3, b: 1 },
    cluster: {
      common_lb_config: { locality_weighted_lb_config: {} },
      lb_subset_config: { subset_selectors: [{ keys: ['version'] }] },
    },
    routes: { v1: { version: 'v1' } },
    runs: [{ route: 'v1', count: 90 }],
    tolerance: 0.08,
  },
  {
    name: 'extension',
    endpoints: versions,
    cluster: subsetPolicy(
      { fallback_policy: 'ANY_ENDPOINT', subset_selectors: [{ keys: ['version'] }] },
      'random',
      'Random',
    ),
    routes: { v1: { version: 'v1' }, unknown: { version: 'v3' } },
    runs: [
      { route: 'v1', count: 20 },
      { route: 'unknown', count: 40 },
    ],
  },
  {
    name: 'extension-without-selectors',
    endpoints: versions,
    cluster: subsetPolicy(
      { fallback_policy: 'DEFAULT_SUBSET', default_subset: { version: 'v2' } },
      'least_request',
      'LeastRequest',
    ),
    routes: { v1: { version: 'v1' }, none: null },
    runs: [
      { route: 'v1', count: 12 },
      { route: 'none', count: 12 },
    ],
  },
  {
    name: 'single-host-of-two-keys',
    endpoints: [
      { host: 0, lb: { a: 1, b: 1 } },
      { host: 1, lb: { a: 1, b: 1 } },
      { host: 2, lb: { a: 1, b: 2 } },
      { host: 3, lb: { a: 1, b: 2 } },
    ],
    cluster: {
      lb_subset_config: {
        subset_selectors: [{ keys: ['b', 'a'], single_host_per_subset: true }, { keys: ['a'] }],
      },
    },
    routes: { one: { a: 1, b: 1 }, two: { a: 1, b: 2 }, all: { a: 1 } },
    runs: [
      { route: 'one', count: 4 },
      { route: 'two', count: 4 },
      { route: 'all', count: 9 },
    ],
  },
  {
    name: 'panic-in-fallback',
    endpoints: [
      { host: 0, lb: { v: 'a' }, health: 'UNHEALTHY' },
      { host: 1, lb: { v: 'b' } },
      { host: 2, lb: { v: 'b' } },
      { host: 3, lb: { v: 'c' }, health: 'DEGRADED' },
    ],
    cluster: {
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
      lb_subset_config: {
        fallback_policy: 'DEFAULT_SUBSET',
        default_subset: { v: 'a' },
        panic_mode_any: true,
        subset_selectors: [{ keys: ['v'] }],
      },
    },
    routes: { a: { v: 'a' }, c: { v: 'c' }, unknown: { v: 'x' } },
    runs: [
      { route: 'a', count: 4 },
      { route: 'c', count: 4 },
      { route: 'unknown', count: 60 },
    ],
  },
  {
    name: 'weighted-clusters',
    endpoints: versions,
    cluster: { lb_subset_config: { subset_selectors: [{ keys: ['stage', 'version'] }] } },
    routes: { merged: { version: 'v1', stage: 'prod' } },
    actions: {
      merged: {
        cluster: undefined,
        weighted_clusters: {
          clusters: [
            {
              name: 'weighted-clusters',
              weight: 1,
              metadata_match: { filter_metadata: { 'envoy.lb': { stage: 'dev' } } },
            },
          ],
        },
      },
    },
    runs: [{ route: 'merged', count: 4 }],
  },
];
