import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeMessage } from '../../proto/any.ts';
import { compileYaml, configInputs } from '../../test/fakes/config.ts';
import { adsSource } from '../api/config/config-source.ts';
import type { ResourceCompiler } from '../api/resource-compiler.ts';
import { loadBootstrap } from './load-bootstrap.ts';
import { createResourceCompiler } from './resource-compiler.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

function compiler(): ResourceCompiler {
  const bootstrap = loadBootstrap({ ...configInputs(), yaml: '{}' });
  assert.ok(bootstrap.ok);
  return createResourceCompiler(bootstrap.value, configInputs());
}

describe('createResourceCompiler', () => {
  it('says what a cluster needs first', () => {
    const result = compileYaml(
      'cluster',
      `{name: c, type: EDS, eds_cluster_config: {eds_config: {ads: {}}, service_name: svc}, transport_socket: {name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {tls_certificate_sds_secret_configs: [{name: a, sds_config: {ads: {}}}], validation_context_sds_secret_config: {name: b, sds_config: {ads: {}}}}}}}`,
    );
    assert.ok(result.ok);
    assert.equal(result.value.name, 'c');
    assert.deepEqual(result.value.references, [
      { kind: 'secret', name: 'a', source: adsSource },
      { kind: 'secret', name: 'b', source: adsSource },
      { kind: 'endpoint', name: 'svc', statName: 'c', source: adsSource },
    ]);
  });

  it('says what a listener needs first, each once', () => {
    const hcm = `{name: h, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, rds: {route_config_name: r, config_source: {ads: {}}}, http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}`;
    const result = compileYaml(
      'listener',
      `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [${hcm}], filter_chain_match: {destination_port: 1}}], default_filter_chain: {filters: [${hcm}]}}`,
    );
    assert.ok(result.ok);
    assert.deepEqual(result.value.references, [
      { kind: 'route', name: 'r', statPrefix: 's', source: adsSource },
    ]);
  });

  it('says which clusters should be warm before routes lead to them, each once', () => {
    const result = compileYaml(
      'route',
      `{name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [
        {match: {prefix: /a}, route: {cluster: a}}, {match: {prefix: /aa}, route: {cluster: a}},
        {match: {prefix: /b}, route: {weighted_clusters: {clusters: [{name: b, weight: 1}, {name: c, weight: 1}]}}},
        {match: {prefix: /d}, route: {cluster_header: x}}, {match: {prefix: /}, direct_response: {status: 404}}]}]}`,
    );
    assert.ok(result.ok);
    assert.deepEqual(result.value.clusters, ['a', 'b', 'c']);
  });

  it('gives equal bytes equal hashes and other bytes others', () => {
    const hash = (text: string): string => {
      const result = compileYaml('cluster', text);
      assert.ok(result.ok);
      return result.value.hash;
    };
    assert.equal(hash('{name: a}'), hash('{name: a}'));
    assert.notEqual(hash('{name: a}'), hash('{name: b}'));
  });

  it('keeps the name of a resource that it refuses', () => {
    const bytes = encodeMessage(CLUSTER, {
      name: 'bad',
      connect_timeout: { seconds: 0, nanos: 0 },
    });
    assert.deepEqual(compiler().compile('cluster', bytes, adsSource), {
      ok: false,
      name: 'bad',
      errors: [{ path: 'connect_timeout', message: 'must be > 0' }],
    });
  });

  it('reports all errors of a resource at once', () => {
    const result = compileYaml(
      'cluster',
      '{name: c, connect_timeout: 0s, type: EDS, track_cluster_stats: {}}',
    );
    assert.deepEqual(!result.ok && result.errors.map(({ path }) => path), [
      'connect_timeout',
      'track_cluster_stats',
      'eds_cluster_config',
    ]);
  });

  it('warns of unknown fields and goes on', () => {
    const known = encodeMessage(CLUSTER, { name: 'c' });
    // Field 4000, length-delimited, one byte.
    const outcome = compiler().compile(
      'cluster',
      Buffer.concat([known, Buffer.from([0x82, 0xfa, 0x01, 0x01, 0x41])]),
      adsSource,
    );
    assert.ok(outcome.ok);
    assert.deepEqual(outcome.resource.warnings, [
      { path: '', message: `unknown field number 4000 of ${CLUSTER}` },
    ]);
  });

  it('refuses garbage without throwing', () => {
    for (const bytes of [
      Buffer.from([0xff]),
      Buffer.from([0x0a, 0x05, 0x41]),
      Buffer.from('<html>'),
    ]) {
      const outcome = compiler().compile('cluster', bytes, adsSource);
      assert.ok(!outcome.ok);
      assert.ok(outcome.errors.length > 0);
    }
  });

  it('leaves out an optional HTTP filter of unknown type, with a warning', () => {
    const filters = `[{name: x, is_optional: true, typed_config: {"@type": type.googleapis.com/a.B}}, {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]`;
    const listener = (list: string): string =>
      `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [{name: h, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, route_config: {}, http_filters: ${list}}}]}]}`;
    const result = compileYaml('listener', listener(filters));
    assert.ok(result.ok);
    assert.deepEqual(result.value.warnings, [
      {
        path: 'filter_chains[0].filters[0].typed_config.http_filters[0]',
        message: "optional filter 'x' is unknown and left out",
      },
    ]);
    const required = compileYaml('listener', listener(filters.replace('is_optional: true, ', '')));
    assert.deepEqual(!required.ok && required.errors, [
      {
        path: 'filter_chains[0].filters[0].typed_config.http_filters[0].typed_config',
        message: "unknown type 'type.googleapis.com/a.B'",
      },
    ]);
  });
});
