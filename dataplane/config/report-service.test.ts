import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bootstrapErrors, loadYaml } from '../../test/fakes/config.ts';

const cluster = `
static_resources:
  clusters:
  - name: lrs
    connect_timeout: 3s
    load_assignment:
      cluster_name: lrs
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9}}}}]}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}`;
const api = (apiType: string, services = '[{envoy_grpc: {cluster_name: lrs}}]') =>
  `{api_type: ${apiType}, transport_api_version: V3, grpc_services: ${services}}`;

const fields = [
  [
    'load reports',
    'cluster_manager.load_stats_config',
    (of: string) => `cluster_manager: {load_stats_config: ${of}}`,
  ],
  ['delegated health checks', 'hds_config', (of: string) => `hds_config: ${of}`],
] as const;

for (const [what, path, text] of fields) {
  describe(`the service of ${what}`, () => {
    it('is a gRPC channel to its cluster, which carries no traffic', () => {
      const loaded = loadYaml(text(api('GRPC')) + cluster);
      assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.join('\n'));
      const { loadStats, hds, clusters } = loaded.value;
      const service = path === 'hds_config' ? hds : loadStats;
      assert.deepEqual(service?.target.addresses, ['127.0.0.1:9']);
      assert.equal(service?.target.connectTimeoutMs, 3000);
      assert.deepEqual(clusters, []);
    });

    it('is none unless it is set', () => {
      const loaded = loadYaml('{}');
      assert.ok(loaded.ok);
      assert.equal(loaded.value.loadStats, null);
      assert.equal(loaded.value.hds, null);
    });

    it('is one, over gRPC, to a cluster that there is', () => {
      const errors = (of: string) => bootstrapErrors(text(of) + cluster).join('\n');
      assert.match(errors(api('REST')), /api_type/);
      assert.match(
        errors(api('GRPC', '[]')),
        new RegExp(`${path}.grpc_services: must have exactly one`),
      );
      assert.match(errors(api('GRPC', '[{envoy_grpc: {cluster_name: x}}]')), /unknown cluster 'x'/);
    });
  });
}
