import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeMessage } from '../../proto/any.ts';
import {
  adsBootstrapYaml,
  bootstrapErrors,
  configInputs,
  loadYaml,
} from '../../test/fakes/config.ts';
import { pathSource } from '../../test/fakes/config-source.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { nameOfId, resourceId } from '../api/config/config-source.ts';
import { loadBootstrap } from '../config/load-bootstrap.ts';
import { createResourceCompiler } from '../config/resource-compiler.ts';

const files = { '/cds.yaml': '{}', '/eds.yaml': '{}' };
const xds = `
  - name: xds
    load_assignment:
      cluster_name: xds
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]
`;
const bootstrap = (cdsConfig: string): string => `
node: {id: n, cluster: c}
dynamic_resources: {cds_config: ${cdsConfig}}
static_resources:
  clusters:${xds}`;

function loaded(text: string): BootstrapConfig {
  const result = loadYaml(text, files);
  assert.ok(result.ok, result.ok ? '' : result.errors.join('\n'));
  return result.value;
}

const service = '{envoy_grpc: {cluster_name: xds}}';
const api = (fields: string): string =>
  `{api_config_source: {transport_api_version: V3, ${fields}}, resource_api_version: V3}`;

describe('compileConfigSource', () => {
  it('takes own streams, with a failover and a rate limit whose defaults are those of Envoy', () => {
    const source = loaded(
      bootstrap(
        api(
          `api_type: GRPC, grpc_services: [${service}, ${service}], rate_limit_settings: {}, set_node_on_first_message_only: true`,
        ),
      ),
    ).dynamicResources.cds;
    assert.ok(source?.kind === 'grpc');
    const { protocol, services, rateLimit, setNodeOnFirstMessageOnly } = source.api;
    assert.deepEqual(
      [protocol, services.length, rateLimit, setNodeOnFirstMessageOnly],
      ['GRPC', 2, { maxTokens: 100, fillRate: 10 }, true],
    );
    const plain = loaded(bootstrap(api(`api_type: DELTA_GRPC, grpc_services: [${service}]`)));
    assert.ok(plain.dynamicResources.cds?.kind === 'grpc');
    assert.equal(plain.dynamicResources.cds.api.rateLimit, null);
  });

  it('takes REST with its delays, and files with their watches', () => {
    const rest = loaded(bootstrap(api('api_type: REST, cluster_names: [xds], refresh_delay: 2s')))
      .dynamicResources.cds;
    assert.ok(rest?.kind === 'rest');
    assert.deepEqual(
      [rest.refreshDelayMs, rest.requestTimeoutMs, rest.target.addresses],
      [2000, 1000, ['127.0.0.1:1']],
    );
    const file = loaded(
      bootstrap(
        '{path_config_source: {path: /cds.yaml, watched_directory: {path: /mnt}}, initial_fetch_timeout: 3s}',
      ),
    ).dynamicResources.cds;
    assert.ok(file?.kind === 'path');
    assert.deepEqual(
      [file.path, file.watchedDirectory, file.initialFetchTimeoutMs],
      ['/cds.yaml', '/mnt', 3000],
    );
    const old = loaded(bootstrap('{path: /cds.yaml}')).dynamicResources.cds;
    assert.ok(old?.kind === 'path');
  });

  for (const [what, source, expected] of [
    ['V2 resources', '{path: /cds.yaml, resource_api_version: V2}', /resource_api_version \(V2\)/],
    [
      'V2 transport',
      api(`api_type: GRPC, grpc_services: [${service}]`).replace('V3', 'V2'),
      /transport_api_version \(V2\)/,
    ],
    ['self in a bootstrap', '{self: {}}', /cds_config\.self: means nothing in a bootstrap/],
    ['ADS without ads_config', '{ads: {}}', /cds_config\.ads: needs dynamic_resources\.ads_config/],
    [
      'an unknown cluster',
      api('api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: no}}]'),
      /envoy_grpc\.cluster_name: unknown cluster 'no'/,
    ],
    [
      'three services',
      api(`api_type: GRPC, grpc_services: [${service}, ${service}, ${service}]`),
      /grpc_services: must have one entry, or two/,
    ],
    ['no services', api('api_type: GRPC'), /grpc_services: must have one entry, or two/],
    ['aggregated types', api(`api_type: AGGREGATED_GRPC, grpc_services: [${service}]`), /api_type/],
    [
      'REST without a delay',
      api('api_type: REST, cluster_names: [xds]'),
      /refresh_delay: is required for REST/,
    ],
    [
      'REST with two clusters',
      api('api_type: REST, cluster_names: [xds, xds], refresh_delay: 1s'),
      /cluster_names: must have exactly one entry/,
    ],
    [
      'REST with a gRPC service',
      api(`api_type: REST, cluster_names: [xds], refresh_delay: 1s, grpc_services: [${service}]`),
      /grpc_services: must not be set with api_type REST/,
    ],
    [
      'GRPC with cluster_names',
      api(`api_type: GRPC, grpc_services: [${service}], cluster_names: [xds]`),
      /cluster_names: must not be set with api_type GRPC/,
    ],
    [
      'a file that is not there',
      '{path: /nowhere.yaml}',
      /cds_config\.path: must be a file that can be read: '\/nowhere\.yaml'/,
    ],
    [
      'protobuf text',
      '{path_config_source: {path: /x.pb_text}}',
      /not supported yet: .*path_config_source\.path \(protobuf text\)/,
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.match(bootstrapErrors(bootstrap(source), files).join('\n'), expected);
    });
  }

  it('refuses a cluster of management servers that cannot be one, at its place', () => {
    const eds = '\n  - {name: xds, type: EDS, eds_cluster_config: {eds_config: {path: /eds.yaml}}}';
    const text = bootstrap(api(`api_type: GRPC, grpc_services: [${service}]`)).replace(xds, eds);
    assert.match(
      bootstrapErrors(text, files).join('\n'),
      /static_resources\.clusters\[0\]\.type \(EDS for a gRPC service\)|not supported yet: static_resources\.clusters\[0\]\.type/,
    );
  });

  it('resolves self to where the resource came from, whose names are ids of their own', () => {
    const inputs = configInputs(files);
    const config = loadBootstrap({ ...inputs, yaml: adsBootstrapYaml });
    assert.ok(config.ok);
    const source = pathSource('/cds.yaml');
    const bytes = encodeMessage('envoy.config.cluster.v3.Cluster', {
      name: 'c',
      type: 'EDS',
      eds_cluster_config: { eds_config: { self: {} } },
    });
    const outcome = createResourceCompiler(config.value, inputs).compile('cluster', bytes, source);
    assert.ok(outcome.ok);
    const [reference] = outcome.resource.references;
    assert.equal(reference?.source.key, source.key);
    // What is compiled of a cluster.
    const { edsServiceName } = outcome.resource.data as ClusterConfig;
    assert.equal(edsServiceName, resourceId('c', source));
    assert.notEqual(edsServiceName, 'c');
    assert.equal(nameOfId(edsServiceName), 'c');
  });
});
