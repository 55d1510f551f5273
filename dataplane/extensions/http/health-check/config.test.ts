import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpFilterData, httpFilterErrors } from '../../../../test/fakes/config.ts';
import type { HealthCheckFilterData } from './data.ts';

const TYPE = 'envoy.extensions.filters.http.health_check.v3.HealthCheck';
// The kind says what the compiler makes.
const data = (fields: string) => httpFilterData(TYPE, fields) as unknown as HealthCheckFilterData;

test('keeps what makes a check, and cuts percentages off', () => {
  assert.deepEqual(
    data(
      'pass_through_mode: false, headers: [{name: ":path", string_match: {exact: /ok}}], cluster_min_healthy_percentages: {a: {value: 50.9}, b: {}}',
    ),
    {
      passThroughMode: false,
      headers: [
        {
          name: ':path',
          match: { kind: 'string', matcher: { kind: 'exact', value: '/ok', ignoreCase: false } },
          invert: false,
          treatMissingAsEmpty: false,
        },
      ],
      clusters: [
        { cluster: 'a', percent: 50 },
        { cluster: 'b', percent: 0 },
      ],
      cache: null,
    },
  );
});

test('a cache has its period and a word of shared memory; a time of 0 is none', () => {
  const { cache } = data('pass_through_mode: true, cache_time: 2s');
  assert.equal(cache?.periodMs, 2000);
  assert.equal(cache.answer.byteLength, 4);
  assert.equal(data('pass_through_mode: true, cache_time: 0s').cache, null);
});

test('a cache without pass-through, no mode, and percentages above 100 are refused', () => {
  const errors = (fields: string) => httpFilterErrors(TYPE, fields).join();
  assert.match(
    errors('pass_through_mode: false, cache_time: 1s'),
    /cache_time: goes with pass_through_mode only/,
  );
  assert.match(errors('headers: []'), /pass_through_mode: /);
  assert.match(
    errors('pass_through_mode: false, cluster_min_healthy_percentages: {a: {value: 101}}'),
    /cluster_min_healthy_percentages/,
  );
});
