import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpFilterData } from '../../../../test/fakes/config.ts';

const TYPE = 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig';
const together = { upstreamStats: false, emitFilterState: false, replaceDots: false };

test('without a specifier, or with false, methods are counted together', () => {
  const data = { ...together, individual: 'none' };
  assert.deepEqual(httpFilterData(TYPE, ''), data);
  assert.deepEqual(httpFilterData(TYPE, 'stats_for_all_methods: false'), data);
});

test('all methods, or those listed', () => {
  assert.deepEqual(
    httpFilterData(
      TYPE,
      'stats_for_all_methods: true, enable_upstream_stats: true, replace_dots_in_grpc_service_name: true, emit_filter_state: true',
    ),
    { individual: 'all', upstreamStats: true, emitFilterState: true, replaceDots: true },
  );
  assert.deepEqual(
    httpFilterData(
      TYPE,
      'individual_method_stats_allowlist: {services: [{name: a.Svc, method_names: [M, N]}]}',
    ),
    { ...together, individual: [{ name: 'a.Svc', methods: ['M', 'N'] }] },
  );
});
