// Scoped routes, VHDS and on_demand, compiled.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatFieldError } from '../../common/result.ts';
import {
  bootstrapErrors,
  compiledData,
  compileYaml,
  httpFilterData,
  httpFilterErrors,
  networkFilterData,
  networkFilterErrors,
  resourceErrors,
} from '../../test/fakes/config.ts';
import { adsSource } from '../api/config/config-source.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { RouteConfigData, VirtualHostResource } from '../api/config/route.ts';
import type { ScopeResource } from '../api/config/scoped-routes.ts';

const TYPE = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const router =
  'http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]';
const hcm = (scoped: string) => `stat_prefix: web, ${router}, scoped_routes: {${scoped}}`;
const fragment = (extractor: string) => `{header_value_extractor: {${extractor}}}`;
const builder = (...extractors: string[]) =>
  `name: s, scope_key_builder: {fragments: [${extractors.map(fragment).join(', ')}]}`;
const inline = (...scopes: string[]) =>
  `scoped_route_configurations_list: {scoped_route_configurations: [${scopes.join(', ')}]}`;
const scope = 'name: a, key: {fragments: [{string_key: k}]}';
const srds = 'scoped_rds: {scoped_rds_config_source: {ads: {}}}';
const index = 'name: X-T, index: 0';

const errors = (scoped: string) => networkFilterErrors(TYPE, hcm(scoped));
// That type's data.
const routesOf = (scoped: string) => (networkFilterData(TYPE, hcm(scoped)) as HcmConfig).routes;

describe('compileScopedRoutes', () => {
  it('takes the key builder and inline scopes', () => {
    const element = 'name: X-E, element_separator: ";", element: {separator: "=", key: ü}';
    const routes = routesOf(
      `${builder('name: X-T, element_separator: ",", index: 2', element)}, ${inline(`{${scope}, route_configuration: {name: r}}`)}`,
    );
    assert.ok(routes.kind === 'scoped' && routes.scopes.kind === 'inline');
    assert.deepEqual(routes.keyBuilder, [
      { kind: 'index', header: 'x-t', elementSeparator: ',', index: 2 },
      {
        kind: 'element',
        header: 'x-e',
        elementSeparator: ';',
        separator: '=',
        key: '\xc3\xbc',
      },
    ]);
    const [first] = routes.scopes.list;
    assert.ok(first?.routes.kind === 'inline');
    assert.deepEqual([first.name, first.key, first.routes.config.name], ['a', ['k'], 'r']);
  });

  it('refers to all scopes of a source', () => {
    const text = `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [{name: h, typed_config: {"@type": type.googleapis.com/${TYPE}, ${hcm(`${builder(index)}, ${srds}`)}}}]}]}`;
    const compiled = compileYaml('listener', text);
    assert.ok(compiled.ok);
    assert.deepEqual(compiled.value.references, [
      { kind: 'scoped-route', name: '*', source: adsSource, statPrefix: 'web', statName: 's' },
    ]);
    const routes = routesOf(`${builder(index)}, ${srds}`);
    assert.ok(routes.kind === 'scoped');
    assert.deepEqual(routes.scopes, { kind: 'srds', collection: '*' });
  });

  const bad: readonly (readonly [string, string, readonly RegExp[]])[] = [
    [
      'a place among elements that nothing separates',
      `${builder('name: x, index: 1')}, ${srds}`,
      [/fragments\[0\]\.header_value_extractor\.index: must be 0 without an element_separator/],
    ],
    [
      'no choice of an element',
      `${builder('name: x, element_separator: ","')}, ${srds}`,
      [/header_value_extractor: index or element is required/],
    ],
    [
      'inline scopes that name routes, or have none',
      `${builder(index)}, ${inline(`{${scope}, route_configuration_name: r}`)}`,
      [
        /scoped_route_configurations\[0\]\.route_configuration_name: fetching routes via RDS is not/,
        /scoped_route_configurations\[0\]\.route_configuration: is required with inline/,
      ],
    ],
    [
      'routes that are wrong',
      `${builder(index)}, ${inline(`{${scope}, route_configuration: {virtual_hosts: [{name: v, domains: [a, a]}]}}`)}`,
      [/route_configuration\.virtual_hosts\[0\]\.domains\[1\]: only unique values/],
    ],
    [
      'a locator',
      `${builder(index)}, scoped_rds: {scoped_rds_config_source: {ads: {}}, srds_resources_locator: "xdstp://a/b"}`,
      [/scoped_rds\.srds_resources_locator: not supported yet/],
    ],
  ];
  for (const [what, text, expected] of bad) {
    it(`refuses ${what}`, () => {
      const found = errors(text);
      for (const [i, pattern] of expected.entries()) assert.match(found[i] ?? '', pattern);
      assert.equal(found.length, expected.length);
    });
  }
});

describe('compileScopeResource', () => {
  const compiled = (text: string) => {
    const outcome = compileYaml('scoped-route', `{${scope}, ${text}}`);
    assert.ok(outcome.ok);
    return { ...outcome.value, data: outcome.value.data as ScopeResource };
  };

  it('refers to the routes that it names, unless they wait for requests', () => {
    const reference = { kind: 'route', name: 'r', source: adsSource };
    const eager = compiled('route_configuration_name: r');
    assert.deepEqual(eager.references, [reference]);
    assert.deepEqual(eager.data.scope.routes, { kind: 'rds', id: 'r', onDemand: null });
    const lazy = compiled('route_configuration_name: r, on_demand: true');
    assert.deepEqual(lazy.references, []);
    assert.deepEqual(lazy.data.scope.routes, { kind: 'rds', id: 'r', onDemand: reference });
    assert.equal(lazy.data.scope.isOnDemand, true);
  });

  it('takes routes that it holds rather than those that it names', () => {
    const { data, references } = compiled(
      'route_configuration: {name: i}, route_configuration_name: r',
    );
    assert.equal(data.scope.routes.kind, 'inline');
    assert.deepEqual(references, []);
  });

  it('refuses a scope without routes or key', () => {
    assert.deepEqual(resourceErrors('scoped-route', `{${scope}}`), [
      'route_configuration_name: must not be empty',
    ]);
    assert.match(
      resourceErrors('scoped-route', '{name: a, route_configuration_name: r}').join(),
      /^key: /,
    );
  });
});

describe('VHDS', () => {
  const vhds = 'vhds: {config_source: {ads: {}}}';

  it('route configurations refer to all virtual hosts of the source', () => {
    const compiled = compileYaml('route', `{name: rc, ${vhds}}`);
    assert.ok(compiled.ok);
    assert.deepEqual(compiled.value.references, [
      { kind: 'virtual-host', name: '*', source: adsSource, statName: 'rc' },
    ]);
    const data = compiledData('route', `{name: rc, ${vhds}}`) as RouteConfigData; // that kind
    assert.deepEqual(data.vhds, { id: 'rc', namespace: 'rc', source: adsSource });
  });

  it('a virtual host belongs to what its name begins with', () => {
    const host = '{name: v, domains: [A.x], routes: [{match: {prefix: /}, route: {cluster: c}}]}';
    const compiled = compileYaml('virtual-host', host, 'a/rc/v.x:80');
    assert.ok(compiled.ok);
    const { owner, name, host: data } = compiled.value.data as VirtualHostResource; // that kind
    assert.deepEqual([owner, name, data.name, data.domains], ['a/rc', 'a/rc/v.x:80', 'v', ['a.x']]);
    assert.equal(compiled.value.name, name);
    const errorsOf = (text: string, of: string) => {
      const outcome = compileYaml('virtual-host', text, of);
      return outcome.ok ? [] : outcome.errors.map(formatFieldError);
    };
    assert.match(
      errorsOf(host, 'v').join(),
      /must be named <route configuration>\/<host>, not 'v'/,
    );
    assert.match(
      errorsOf('{name: v, domains: [a, A]}', 'rc/v').join(),
      /domains\[1\]: only unique/,
    );
    assert.match(
      errorsOf('{name: v, domains: [a], routes: [{match: {prefix: /}}]}', 'rc/v').join(),
      /routes\[0\]/,
    );
  });

  it('needs incremental xDS', () => {
    const sotw = `
node: {id: n, cluster: c}
dynamic_resources:
  ads_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{google_grpc: {target_uri: "127.0.0.1:1", stat_prefix: cp}}]}
static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: 1}}
    filter_chains: [{filters: [{name: h, typed_config: {"@type": type.googleapis.com/${TYPE}, stat_prefix: s, ${router}, route_config: {name: rc, ${vhds}}}}]}]
`;
    assert.match(bootstrapErrors(sotw).join(), /vhds\.config_source: only 'DELTA_GRPC'/);
    assert.deepEqual(bootstrapErrors(sotw.replace('api_type: GRPC', 'api_type: DELTA_GRPC')), []);
  });
});

describe('on_demand', () => {
  const type = 'envoy.extensions.filters.http.on_demand.v3.OnDemand';

  it("fills in Envoy's timeout", () => {
    assert.deepEqual(httpFilterData(type, ''), { odcds: null });
    assert.deepEqual(httpFilterData(type, 'odcds: {source: {ads: {}}}'), {
      odcds: { source: adsSource, timeoutMs: 5_000 },
    });
    assert.deepEqual(httpFilterData(type, 'odcds: {source: {ads: {}}, timeout: 0.5s}'), {
      odcds: { source: adsSource, timeoutMs: 500 },
    });
  });

  it('refuses what it cannot ask', () => {
    assert.match(httpFilterErrors(type, 'odcds: {}').join(), /odcds\.source: is required/);
    assert.match(
      httpFilterErrors(type, 'odcds: {source: {ads: {}}, resources_locator: "xdstp://a"}').join(),
      /odcds\.resources_locator: not supported yet/,
    );
  });
});
