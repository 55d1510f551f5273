import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { defaultRoundRobin } from '../api/config/load-balancing.ts';
import { metadataMatchOf } from '../api/metadata-match.ts';

const types = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const errors = (fields: string) => resourceErrors('cluster', `{name: c, ${fields}}`);
const loadBalancing = (fields: string) =>
  // compiledData gives what the compile function of a cluster makes.
  (compiledData('cluster', `{name: c, ${fields}}`) as ClusterConfig).loadBalancing;
const policies = (name: string, fields = '') =>
  `{policies: [{typed_extension_config: {name: p, typed_config: {"@type": ${types}.${name}${fields}}}}]}`;
const roundRobin = policies('round_robin.v3.RoundRobin');

describe('lb_subset_config', () => {
  it('wraps lb_policy, with keys sorted and each once', () => {
    const fields = `{fallback_policy: DEFAULT_SUBSET, default_subset: {b: 1, a: x},
      subset_selectors: [
        {keys: [b, a, b]},
        {keys: [c, b, a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [c, a]},
        {keys: [id], single_host_per_subset: true, fallback_policy: ANY_ENDPOINT}],
      panic_mode_any: true, list_as_any: true, metadata_fallback_policy: FALLBACK_LIST}`;
    assert.deepEqual(loadBalancing(`lb_subset_config: ${fields}`), {
      kind: 'SUBSET',
      fallbackPolicy: 'DEFAULT_SUBSET',
      defaultSubset: metadataMatchOf({ a: 'x', b: 1 }).entries,
      selectors: [
        {
          keys: ['a', 'b'],
          singleHostPerSubset: false,
          fallbackPolicy: 'NOT_DEFINED',
          fallbackKeys: [],
        },
        {
          keys: ['a', 'b', 'c'],
          singleHostPerSubset: false,
          fallbackPolicy: 'KEYS_SUBSET',
          fallbackKeys: ['a', 'c'],
        },
        {
          keys: ['id'],
          singleHostPerSubset: true,
          fallbackPolicy: 'ANY_ENDPOINT',
          fallbackKeys: [],
        },
      ],
      localityWeightAware: false,
      scaleLocalityWeight: false,
      panicModeAny: true,
      listAsAny: true,
      usesFallbackList: true,
      allowRedundantKeys: false,
      child: defaultRoundRobin,
    });
  });

  it('is nothing without selectors', () => {
    const fields = 'lb_subset_config: {fallback_policy: ANY_ENDPOINT}';
    assert.deepEqual(loadBalancing(fields), defaultRoundRobin);
  });

  it('refuses fallback keys that lead nowhere, as Envoy does', () => {
    const selector = (fields: string) =>
      errors(`lb_subset_config: {subset_selectors: [{keys: [a, b], ${fields}}]}`);
    const path = 'lb_subset_config.subset_selectors[0].fallback_keys_subset';
    assert.deepEqual(selector('fallback_policy: KEYS_SUBSET'), [`${path}: cannot be empty`]);
    assert.deepEqual(selector('fallback_policy: KEYS_SUBSET, fallback_keys_subset: [c]'), [
      `${path}: must be a subset of selector keys`,
    ]);
    assert.deepEqual(selector('fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b, a]'), [
      `${path}: cannot be equal to keys`,
    ]);
    assert.deepEqual(selector('fallback_keys_subset: [a]'), [
      `${path}: can be set only for KEYS_SUBSET fallback_policy`,
    ]);
  });

  it('goes neither with load_balancing_policy nor, weighing localities, without their weights', () => {
    const subset = 'subset_selectors: [{keys: [a]}]';
    assert.deepEqual(
      errors(`lb_subset_config: {${subset}}, load_balancing_policy: ${roundRobin}`),
      ['lb_subset_config: cannot be combined with load_balancing_policy'],
    );
    assert.deepEqual(errors(`lb_subset_config: {${subset}, locality_weight_aware: true}`), [
      'lb_subset_config.locality_weight_aware: requires common_lb_config.locality_weighted_lb_config',
    ]);
  });
});

describe('the subset policy', () => {
  const subset = (fields: string, child: string) =>
    `load_balancing_policy: ${policies('subset.v3.Subset', `, ${fields}, subset_lb_policy: ${child}`)}`;
  const at =
    'load_balancing_policy.policies[0].typed_extension_config.typed_config.subset_lb_policy';

  it('puts selectors of most keys first where redundant keys are allowed', () => {
    const selectors = 'subset_selectors: [{keys: [a]}, {keys: [b, c]}, {keys: [d, e]}]';
    const keysOf = (more: string) => {
      const data = loadBalancing(subset(`${selectors}, ${more}`, roundRobin));
      return data.kind === 'SUBSET' ? data.selectors.map(({ keys }) => keys.join()) : null;
    };
    assert.deepEqual(keysOf('allow_redundant_keys: true'), ['b,c', 'd,e', 'a']);
    assert.deepEqual(keysOf('allow_redundant_keys: false'), ['a', 'b,c', 'd,e']);
  });

  it('needs a policy within, which is no subset policy', () => {
    const selectors = 'subset_selectors: [{keys: [a]}]';
    assert.deepEqual(errors(subset(selectors, '{}')), [
      `${at}.policies: has no load balancing policy that we know`,
    ]);
    const inner = policies('subset.v3.Subset', `, ${selectors}, subset_lb_policy: ${roundRobin}`);
    assert.deepEqual(errors(subset(selectors, inner)), [
      `${at}: not supported yet (subsets of subsets)`,
    ]);
  });
});

describe('the override_host policy', () => {
  const override = (fields: string) =>
    `load_balancing_policy: ${policies('override_host.v3.OverrideHost', `, ${fields}, fallback_policy: ${roundRobin}`)}`;
  const at = 'load_balancing_policy.policies[0].typed_extension_config.typed_config';

  it('has sources in order and a policy to fall back to', () => {
    const fields = `override_host_sources: [{header: X-Host}, {metadata: {key: ns, path: [{key: a}, {key: b}]}}],
      selected_host_key: {key: out, path: [{key: c}]}`;
    assert.deepEqual(loadBalancing(override(fields)), {
      kind: 'OVERRIDE_HOST',
      sources: [
        { kind: 'header', name: 'x-host' },
        { kind: 'metadata', key: { namespace: 'ns', path: ['a', 'b'] } },
      ],
      selectedHostKey: { namespace: 'out', path: ['c'] },
      fallback: defaultRoundRobin,
    });
  });

  it('refuses sources that are none, or two in one', () => {
    assert.deepEqual(errors(override('override_host_sources: []')), [
      `${at}.override_host_sources: must not be empty`,
    ]);
    assert.deepEqual(errors(override('override_host_sources: [{}]')), [
      `${at}.override_host_sources[0]: one of header, metadata is required`,
    ]);
    assert.deepEqual(
      errors(
        override('override_host_sources: [{header: x, metadata: {key: a, path: [{key: b}]}}]'),
      ),
      [`${at}.override_host_sources[0]: only one of header, metadata may be set`],
    );
  });
});

describe('override_host_status', () => {
  const statuses = (fields: string) =>
    (compiledData('cluster', `{name: c, ${fields}}`) as ClusterConfig).commonLb // as above
      .overrideHostStatuses;

  it('has the default of Envoy, and may be an empty set', () => {
    assert.deepEqual(statuses(''), ['UNKNOWN', 'HEALTHY', 'DEGRADED']);
    assert.deepEqual(statuses('common_lb_config: {override_host_status: {statuses: [DRAINING]}}'), [
      'DRAINING',
    ]);
    assert.deepEqual(statuses('common_lb_config: {override_host_status: {}}'), []);
  });
});
