// Subsets of hosts that come over EDS: an update of nothing but metadata moves hosts from one subset to another, their
// connections stay, and the counters of subsets tell.

import assert from 'node:assert/strict';
import type http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { typeUrlOfKind } from '../../controlplane/cache/kinds.ts';
import { until } from '../fakes/until.ts';
import { httpListener, resourceOf } from '../fakes/xds-resources.ts';
import { freePort, portOf, startApplication } from './mesh.ts';
import { RawAds } from './raw-ads.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const source = '{ ads: {}, resource_api_version: V3 }';
const ads3 = { ads: {}, resource_api_version: 'V3' };

const bootstrap = (port: number) => `
node: { id: n1, cluster: test }
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: ads } }]
  cds_config: ${source}
  lds_config: ${source}
static_resources:
  clusters:
    - name: ads
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }
      load_assignment: { cluster_name: ads, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }
`;

const cluster = resourceOf('cluster', 'orders', {
  name: 'orders',
  type: 'EDS',
  eds_cluster_config: { eds_config: ads3 },
  common_lb_config: { update_merge_window: { seconds: 0, nanos: 0 } },
  lb_subset_config: { subset_selectors: [{ keys: ['version'] }] },
});

const routes = resourceOf('route', 'main', {
  name: 'main',
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: ['v1', 'v2', 'v3'].map((version) => ({
        match: { path: `/${version}` },
        route: {
          cluster: 'orders',
          metadata_match: { filter_metadata: { 'envoy.lb': { version } } },
        },
      })),
    },
  ],
});

describe('subsets over EDS', () => {
  const applications: http.Server[] = [];
  let ads: RawAds;
  let sidecar: Sidecar;
  let port: number;

  /** Versions of the applications, in order. */
  const assignment = (versions: readonly string[]) =>
    resourceOf('endpoint', 'orders', {
      cluster_name: 'orders',
      endpoints: [
        {
          lb_endpoints: versions.map((version, i) => ({
            endpoint: {
              address: {
                socket_address: { address: '127.0.0.1', port_value: portOf(applications[i]!) },
              },
            },
            metadata: { filter_metadata: { 'envoy.lb': { version } } },
          })),
        },
      ],
    });

  const send = (versions: readonly string[]) =>
    ads.send(typeUrlOfKind('endpoint'), [assignment(versions)]);

  /** Body, or the status where it is no 200. */
  const ask = async (version: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/${version}`);
    const body = await response.text();
    return response.status === 200 ? body : String(response.status);
  };

  const stat = async (name: string) => {
    const lines = (await sidecar.admin('/stats')).split('\n');
    return Number(lines.find((line) => line.startsWith(`cluster.orders.${name}: `))?.split(' ')[1]);
  };

  before(async () => {
    applications.push(await startApplication('blue'), await startApplication('green'));
    port = await freePort();
    ads = await RawAds.start('GRPC', [
      cluster,
      assignment(['v1', 'v2']),
      routes,
      httpListener('web', port, 'main'),
    ]);
    sidecar = await startSidecar(bootstrap(ads.port));
  });

  after(async () => {
    await sidecar?.stop();
    ads?.close();
    for (const application of applications) {
      application.closeAllConnections();
      application.close();
    }
  });

  test('follow the metadata of hosts that stay', async () => {
    assert.deepEqual([await ask('v1'), await ask('v2'), await ask('v3')], ['blue', 'green', '503']);
    assert.deepEqual([await stat('lb_subsets_active'), await stat('lb_subsets_created')], [2, 2]);
    const connections = await stat('upstream_cx_total');

    send(['v2', 'v1']);
    await until('v1 is green', async () => (await ask('v1')) === 'green');
    assert.equal(await ask('v2'), 'blue');
    assert.equal(await stat('lb_subsets_created'), 2);

    send(['v3', 'v1']);
    await until('v3 is blue', async () => (await ask('v3')) === 'blue');
    assert.equal(await ask('v2'), '503');
    assert.deepEqual(
      [
        await stat('lb_subsets_active'),
        await stat('lb_subsets_created'),
        await stat('lb_subsets_removed'),
      ],
      [2, 3, 1],
    );
    assert.equal(await stat('upstream_cx_total'), connections);

    send(['v3']);
    await until('v1 is gone', async () => (await ask('v1')) === '503');
    assert.equal(await stat('lb_subsets_active'), 1);
  });
});
