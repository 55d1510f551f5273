import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leastRequestOf } from '../../test/fakes/cluster-config.ts';
import { bootstrapErrors, configInputs, loadYaml } from '../../test/fakes/config.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import { adsSource } from '../api/config/config-source.ts';
import { loadBootstrap } from './load-bootstrap.ts';

function loaded(text: string): BootstrapConfig {
  const result = loadYaml(text);
  assert.ok(result.ok, result.ok ? '' : result.errors.join('\n'));
  return result.value;
}

const cluster = (name: string, more = ''): string => `
  - name: ${name}
    type: STRICT_DNS
    ${more}
    load_assignment:
      cluster_name: ${name}
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: localhost, port_value: 9}}}}]}]`;

const http2 = `typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 30s, timeout: 5s}}}`;

const ads = (apiType: string, more = ''): string => `
node: {id: n, cluster: c}
dynamic_resources:
  ads_config:
    api_type: ${apiType}
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: xds${more}}}]
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
static_resources:
  clusters:`;

const tcpListener = (to: string): string => `
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: 1}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: t
          cluster: ${to}`;

describe('loadBootstrap', () => {
  it('says file, line, column, path and reason, for all errors at once and in order of the text', () => {
    assert.deepEqual(
      bootstrapErrors(`admin:
  address: {socket_address: {address: nowhere, port_value: 1}}
static_resources:
  clusters:
  - name: a
    connect_timeout: 0s
    health_checks: []
    track_cluster_stats: {}
  - name: a
    connect_timeot: 1s
`),
      [
        'bootstrap.yaml:2:30 admin.address.socket_address.address: malformed IP address: nowhere',
        'bootstrap.yaml:6:5 static_resources.clusters[0].connect_timeout: must be > 0',
        'bootstrap.yaml:8:5 not supported yet: static_resources.clusters[0].track_cluster_stats',
        "bootstrap.yaml:9:5 static_resources.clusters[1].name: duplicate cluster 'a'",
        'bootstrap.yaml:10:5 static_resources.clusters[1].connect_timeot: unknown field of envoy.config.cluster.v3.Cluster; did you mean connect_timeout?',
      ],
    );
  });

  it('refuses what a common Envoy bootstrap has and we have not, by name', () => {
    const errors = bootstrapErrors(`
stats_sinks: [{name: x}]
overload_manager: {resource_monitors: [{name: h, typed_config: {"@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 1}}]}
layered_runtime: {layers: [{name: s, static_layer: {overload: {some_other_key: 5}}}]}
static_resources:
  clusters:
  - name: a
    wait_for_warm_on_init: false
    http2_protocol_options: {}
    health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, custom_health_check: {name: redis}}]
`);
    assert.deepEqual(
      errors.map((line) => line.replace(/^\S+ /, '')),
      [
        'not supported yet: stats_sinks',
        'not supported yet: overload_manager.resource_monitors[0].typed_config (envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig)',
        'not supported yet: layered_runtime.layers[0].static_layer["overload"]["some_other_key"] (runtime key overload.some_other_key)',
        'not supported yet: static_resources.clusters[0].wait_for_warm_on_init (false)',
        'not supported yet: static_resources.clusters[0].health_checks[0].custom_health_check',
      ],
    );
  });

  it('does not blame the surroundings of a field that could not be read', () => {
    assert.deepEqual(
      bootstrapErrors(
        'admin:\n  address:\n    socket_address: {address: 127.0.0.1, port_value: x}\n',
      ),
      [
        'bootstrap.yaml:3:42 admin.address.socket_address.port_value: expected an integer, got the string "x"',
      ],
    );
  });

  it('merges --config-yaml over the file and names it in errors', () => {
    const inputs = configInputs({ 'b.yaml': 'node: {id: a, cluster: c}\n' });
    const merged = loadBootstrap({ ...inputs, path: 'b.yaml', yaml: 'node: {id: b}' });
    assert.ok(merged.ok);
    assert.equal(merged.value.node.id, 'b');
    assert.equal(merged.value.node.cluster, 'c');
    const bad = loadBootstrap({ ...inputs, path: 'b.yaml', yaml: 'flags_path: /x' });
    assert.deepEqual(bad, {
      ok: false,
      errors: ['--config-yaml:1:1 not supported yet: flags_path'],
    });
  });

  it('lets the command line name the node', () => {
    const overrides = { serviceNode: 'x', serviceCluster: '', serviceZone: 'z2' };
    const result = loadBootstrap({
      ...configInputs(),
      yaml: 'node: {id: a, cluster: c}',
      overrides,
    });
    assert.ok(result.ok);
    assert.equal(result.value.node.id, 'x');
    assert.equal(result.value.node.cluster, 'c');
    assert.equal(result.value.node.locality.zone, 'z2');
  });

  it('refuses protobuf files and unknown endings by name', () => {
    for (const path of ['b.pb', 'b.pb_text']) {
      const result = loadBootstrap({ ...configInputs(), path });
      assert.match(String(!result.ok && result.errors[0]), /not supported yet: protobuf/);
    }
    const other = loadBootstrap({ ...configInputs(), path: 'b.toml' });
    assert.match(String(!other.ok && other.errors[0]), /must end in .yaml/);
  });

  it('says when the file cannot be read', () => {
    const result = loadBootstrap({ ...configInputs(), path: 'none.yaml' });
    assert.deepEqual(result, { ok: false, errors: ['none.yaml: cannot be read: no such file'] });
  });

  it('freezes what it returns', () => {
    const config = loaded(`static_resources:\n  clusters:${cluster('a')}`);
    assert.ok(Object.isFrozen(config.clusters[0]?.loadAssignment?.localities[0]?.hosts));
  });

  it('hands out data that structured clone carries', () => {
    const config = loaded(`static_resources:\n  clusters:${cluster('a')}${tcpListener('a')}`);
    assert.deepEqual(structuredClone(config.listeners), config.listeners);
    assert.deepEqual(structuredClone(config.clusters), config.clusters);
  });
});

describe('dynamic resources', () => {
  for (const apiType of ['GRPC', 'DELTA_GRPC']) {
    it(`takes ADS of type ${apiType} with its cluster as a gRPC channel`, () => {
      const config = loaded(ads(apiType, ', authority: cp') + cluster('xds', http2));
      assert.deepEqual(config.clusters, []);
      assert.deepEqual(config.dynamicResources, {
        lds: adsSource,
        cds: adsSource,
        ads: {
          protocol: apiType,
          services: [
            {
              target: {
                clusterName: 'xds',
                addresses: ['localhost:9'],
                authority: 'cp',
                connectTimeoutMs: 5000,
                tls: null,
                keepalive: { intervalMs: 30000, timeoutMs: 5000 },
              },
              initialMetadata: [],
              backoffBaseMs: 500,
              backoffMaxMs: 30000,
              maxReceiveMessageBytes: null,
            },
          ],
          setNodeOnFirstMessageOnly: false,
          rateLimit: null,
        },
      });
    });
  }

  it('keeps a gRPC cluster as data-plane cluster when traffic also goes there', () => {
    const config = loaded(ads('GRPC') + cluster('xds') + tcpListener('xds'));
    assert.deepEqual(
      config.clusters.map(({ name }) => name),
      ['xds'],
    );
    const [shared] = loaded(ads('GRPC') + cluster('xds', http2) + tcpListener('xds')).clusters;
    assert.equal(shared?.http.protocol, 'HTTP/2');
  });

  it('needs a node id and cluster, a known cluster and ads_config', () => {
    const paths = (text: string) => bootstrapErrors(text).map((line) => line.split(' ')[1]);
    assert.deepEqual(paths(ads('GRPC').replace(/node: .*/, '') + cluster('xds')), [
      'node.id:',
      'node.cluster:',
    ]);
    assert.deepEqual(paths(ads('GRPC') + cluster('other')), [
      'dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name:',
    ]);
    assert.deepEqual(
      paths('node: {id: a, cluster: b}\ndynamic_resources: {cds_config: {ads: {}}}'),
      ['dynamic_resources.cds_config.ads:'],
    );
  });

  it('refuses a static cluster over ADS when there is no ADS', () => {
    assert.deepEqual(
      bootstrapErrors(
        'static_resources:\n  clusters:\n  - {name: a, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}\n',
      ),
      [
        'bootstrap.yaml:3:60 static_resources.clusters[0].eds_cluster_config.eds_config.ads: needs dynamic_resources.ads_config',
      ],
    );
  });

  it('refuses a file that is not there by its path', () => {
    assert.deepEqual(
      bootstrapErrors(
        'node: {id: a, cluster: b}\ndynamic_resources: {cds_config: {path_config_source: {path: /x}}}',
      ),
      [
        "bootstrap.yaml:2:55 dynamic_resources.cds_config.path_config_source.path: must be a file that can be read: '/x': no such file",
      ],
    );
  });
});

describe('layered_runtime', () => {
  it('overrides what a runtime_key names, later layers over earlier ones', () => {
    const config = loaded(`
layered_runtime:
  layers:
  - {name: a, static_layer: {my: {share: 10}}}
  - {name: b, static_layer: {my.share: 30}}
static_resources:
  clusters:${cluster('a', 'lb_policy: LEAST_REQUEST\n    least_request_lb_config: {active_request_bias: {default_value: 2, runtime_key: my.share}}')}
`);
    const expected = leastRequestOf({ activeRequestBias: 30 });
    assert.deepEqual(config.clusters[0]?.loadBalancing, expected);
  });

  it('reads all kinds of layers', () => {
    const { runtimeLayers } = loaded(`
node: {id: a, cluster: c}
layered_runtime:
  layers:
  - {name: d, disk_layer: {symlink_root: /srv/current, subdirectory: envoy}}
  - {name: o, disk_layer: {symlink_root: /srv/current, append_service_cluster: true}}
  - {name: a, admin_layer: {}}
`);
    assert.deepEqual(runtimeLayers, [
      { kind: 'disk', name: 'd', symlinkRoot: '/srv/current', path: '/srv/current/envoy' },
      { kind: 'disk', name: 'o', symlinkRoot: '/srv/current', path: '/srv/current//c' },
      { kind: 'admin', name: 'a' },
    ]);
  });

  it('refuses what is no value, names twice and a second admin layer', () => {
    const errors = bootstrapErrors(`
layered_runtime:
  layers:
  - {name: a, static_layer: {my: {list: [1]}, nothing: null}}
  - {name: a, admin_layer: {}}
  - {name: b, admin_layer: {}}
`);
    assert.deepEqual(
      errors.map((line) => line.replace(/^\S+ /, '')),
      [
        'layered_runtime.layers[0].static_layer["my"]["list"]: Invalid runtime entry value for my.list',
        'layered_runtime.layers[0].static_layer["nothing"]: Invalid runtime entry value for nothing',
        'layered_runtime.layers[1].name: Duplicate layer name: a',
        'layered_runtime.layers[2].admin_layer: Too many admin layers specified in LayeredRuntime, at most one may be specified',
      ],
    );
  });
});

describe('static references', () => {
  it('refuses an unknown cluster unless CDS may bring it', () => {
    const unknown = `static_resources:\n  clusters:${cluster('a')}${tcpListener('nope')}`;
    assert.match(bootstrapErrors(unknown).join(), /typed_config.cluster: unknown cluster 'nope'$/);
    assert.deepEqual(bootstrapErrors(ads('GRPC') + cluster('xds') + tcpListener('nope')), []);
  });

  it('refuses duplicate listeners', () => {
    const two = tcpListener('a').trimEnd() + tcpListener('a').split('listeners:')[1];
    assert.match(
      bootstrapErrors(`static_resources:\n  clusters:${cluster('a')}${two}`).join(),
      /listeners\[1\]\.name: duplicate listener 'l'/,
    );
  });
});
