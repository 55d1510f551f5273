import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { BREAKER_WORDS } from '../api/config/error-ratio-breaker.ts';
import type { RouteConfigData } from '../api/config/route.ts';

const TYPE = 'type.googleapis.com/remora.extensions.error_ratio_breaker.v1.ErrorRatioBreaker';

const metadata = (key: string, fields = ''): string =>
  `metadata: {typed_filter_metadata: {${key}: {"@type": ${TYPE}${fields}}}}`;
const cluster = (key: string, fields = ''): string => `{name: a, ${metadata(key, fields)}}`;

test('a cluster has two, with defaults filled in', () => {
  const defaults = {
    errorPercentThreshold: 50,
    minimumRequests: 20,
    windowMs: 10_000,
    openTimeMs: 5_000,
    maxProbes: 3,
  };
  // The kind says what the compiler makes.
  const one = compiledData('cluster', cluster('remora.error_ratio_breaker')) as ClusterConfig;
  assert.deepEqual([one.breaker, one.hostBreaker], [defaults, null]);
  const text = cluster('remora.host_error_ratio_breaker', ', max_probes: 1, window: 1s');
  const other = compiledData('cluster', text) as ClusterConfig; // as above
  assert.deepEqual(
    [other.breaker, other.hostBreaker],
    [null, { ...defaults, maxProbes: 1, windowMs: 1000 }],
  );
});

test('what could never open or never close is refused with its path', () => {
  const bad = ', error_percent_threshold: {value: 0}, minimum_requests: 0, max_probes: 256';
  const at = 'metadata.typed_filter_metadata["remora.error_ratio_breaker"]';
  assert.deepEqual(resourceErrors('cluster', cluster('remora.error_ratio_breaker', bad)), [
    `${at}.error_percent_threshold: must be above 0 and at most 100`,
    `${at}.minimum_requests: must be at least 1`,
    `${at}.max_probes: must be between 1 and 255`,
  ]);
});

test('a route has one with memory that all workers share', () => {
  const route = `{name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{name: buy, match: {prefix: /}, route: {cluster: c}, ${metadata('remora.error_ratio_breaker')}}]}]}`;
  // The kind says what the compiler makes.
  const data = compiledData('route', route) as RouteConfigData;
  const memory = data.virtualHosts[0]?.routes[0]?.breaker?.memory;
  assert.equal(memory?.byteLength, BREAKER_WORDS * 4);
});

test('routes that say the same name have one together', () => {
  const routes = ['', 'a', 'a', 'b'].map(
    (name) =>
      `{match: {prefix: /}, route: {cluster: c}, ${metadata('remora.error_ratio_breaker', `, name: "${name}"`)}}`,
  );
  const text = `{name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [${routes.join()}]}]}`;
  const data = compiledData('route', text) as RouteConfigData; // as above
  const memories = data.virtualHosts[0]?.routes.map(({ breaker }) => breaker?.memory);
  assert.equal(memories?.[1], memories?.[2]);
  assert.equal(new Set(memories).size, 3);
  const named = cluster('remora.error_ratio_breaker', ', name: a');
  assert.match(resourceErrors('cluster', named).join(), /breaker"\]\.name: goes with a route/);
});
