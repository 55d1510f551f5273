import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { RouteConfigData } from '../api/config/route.ts';

const config = (action: string): string =>
  `{name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: c, ${action}}}]}]}`;

function compiled(text: string) {
  // The kind says what the compiler makes.
  const data = compiledData('route', config(text)) as RouteConfigData;
  const action = data.virtualHosts[0]?.routes[0]?.action;
  return action?.kind === 'route' ? action.internalRedirect : undefined;
}

const type = 'type.googleapis.com/envoy.extensions.internal_redirect';

test('a policy without fields follows one 302', () => {
  const defaults = {
    maxInternalRedirects: 1,
    redirectResponseCodes: [302],
    predicates: [],
    allowCrossSchemeRedirect: false,
    responseHeadersToCopy: [],
  };
  assert.equal(compiled('priority: DEFAULT'), null);
  assert.deepEqual(compiled('internal_redirect_policy: {}'), defaults);
  // The deprecated form.
  const old = 'internal_redirect_action: HANDLE_INTERNAL_REDIRECT, max_internal_redirects: 4';
  assert.deepEqual(compiled(old), { ...defaults, maxInternalRedirects: 4 });
  assert.equal(compiled('internal_redirect_action: PASS_THROUGH_INTERNAL_REDIRECT'), null);
});

test('codes that are no redirects are left out, predicates become data', () => {
  const text = `internal_redirect_policy: {max_internal_redirects: 0, redirect_response_codes: [303, 200], allow_cross_scheme_redirect: true,
    response_headers_to_copy: [X-A], predicates: [
      {name: p, typed_config: {"@type": ${type}.previous_routes.v3.PreviousRoutesConfig}},
      {name: a, typed_config: {"@type": ${type}.allow_listed_routes.v3.AllowListedRoutesConfig, allowed_route_names: [x]}},
      {name: s, typed_config: {"@type": ${type}.safe_cross_scheme.v3.SafeCrossSchemeConfig}}]}`;
  assert.deepEqual(compiled(text), {
    maxInternalRedirects: 0,
    redirectResponseCodes: [303],
    predicates: [
      { kind: 'previous_routes' },
      { kind: 'allow_listed_routes', routes: ['x'] },
      { kind: 'safe_cross_scheme' },
    ],
    allowCrossSchemeRedirect: true,
    responseHeadersToCopy: ['x-a'],
  });
});

test('a response does not say how the next request is framed, or where it goes', () => {
  const at =
    'virtual_hosts[0].routes[0].route.internal_redirect_policy.response_headers_to_copy[0]';
  for (const name of [':path', 'Host', 'content-length', 'transfer-encoding']) {
    const text = `internal_redirect_policy: {response_headers_to_copy: ["${name}"]}`;
    const lower = name.toLowerCase();
    assert.deepEqual(resourceErrors('route', config(text)), [`${at}: may not be ${lower}`]);
  }
});
