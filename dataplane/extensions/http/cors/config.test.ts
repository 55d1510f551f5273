import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, httpFilterData, resourceErrors } from '../../../../test/fakes/config.ts';
import type { RouteConfigData } from '../../../api/config/route.ts';

const TYPES = 'envoy.extensions.filters.http.cors.v3';
const route = (fields: string): string =>
  `{name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}], typed_per_filter_config: {envoy.filters.http.cors: {"@type": type.googleapis.com/${TYPES}.CorsPolicy${fields}}}}]}`;

function policy(fields: string): unknown {
  // The kind says what the compiler makes.
  const { virtualHosts } = compiledData('route', route(fields)) as RouteConfigData;
  return virtualHosts[0]?.perFilterConfig['envoy.filters.http.cors']?.data;
}

test('the filter itself has no fields', () => {
  assert.equal(httpFilterData(`${TYPES}.Cors`, ''), null);
});

test('an empty policy says nothing', () => {
  assert.deepEqual(policy(''), {
    allowOrigins: [],
    allowMethods: '',
    allowHeaders: '',
    exposeHeaders: '',
    maxAge: '',
    allowCredentials: null,
    allowPrivateNetworkAccess: null,
    forwardNotMatchingPreflights: null,
    filterEnabled: null,
    shadowEnabled: null,
  });
});

test('a policy keeps all of its words', () => {
  assert.deepEqual(
    policy(
      ', allow_origin_string_match: [{suffix: .b}], allow_methods: GET, allow_headers: x-h, expose_headers: x-e, max_age: "60", allow_credentials: false, allow_private_network_access: true, forward_not_matching_preflights: false, filter_enabled: {default_value: {numerator: 5}}, shadow_enabled: {default_value: {numerator: 1, denominator: MILLION}}',
    ),
    {
      allowOrigins: [{ kind: 'suffix', value: '.b', ignoreCase: false }],
      allowMethods: 'GET',
      allowHeaders: 'x-h',
      exposeHeaders: 'x-e',
      maxAge: '60',
      allowCredentials: false,
      allowPrivateNetworkAccess: true,
      forwardNotMatchingPreflights: false,
      filterEnabled: { numerator: 5, denominator: 100 },
      shadowEnabled: { numerator: 1, denominator: 1_000_000 },
    },
  );
});

test('a bad origin matcher is refused with its path', () => {
  const errors = resourceErrors(
    'route',
    route(', allow_origin_string_match: [{safe_regex: {regex: "("}}]'),
  );
  assert.match(errors.join(), /allow_origin_string_match\[0\]\.safe_regex\.regex: invalid regex/);
});
