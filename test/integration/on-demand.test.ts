// What requests make a whole sidecar ask for, with two workers: virtual hosts, routes of scopes, clusters.

import assert from 'node:assert/strict';
import http, { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { DeltaServer } from '../fakes/delta-server.ts';
import { until } from '../fakes/until.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const scopeType = 'envoy.config.route.v3.ScopedRouteConfiguration';
const routeType = 'envoy.config.route.v3.RouteConfiguration';
const hostType = 'envoy.config.route.v3.VirtualHost';
const clusterType = 'envoy.config.cluster.v3.Cluster';
const CONNECTIONS = 12;

const bootstrap = (adsPort: number) => `
node: {id: n-1, cluster: c}
dynamic_resources:
  ads_config: {api_type: DELTA_GRPC, transport_api_version: V3, grpc_services: [{google_grpc: {target_uri: "127.0.0.1:${adsPort}", stat_prefix: cp}}]}
static_resources:
  listeners:
  - name: web
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          scoped_routes:
            name: scopes
            scope_key_builder: {fragments: [{header_value_extractor: {name: x-tenant, index: 0}}]}
            scoped_rds: {scoped_rds_config_source: {ads: {}}}
          http_filters:
          - name: od
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand, odcds: {source: {ads: {}}}}
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
`;

describe('on demand', () => {
  const server = new DeltaServer();
  const backend = createServer((_request, response) => response.end('served'));
  let sidecar: Sidecar;

  /** Each on a connection of its own, so that both workers get some. */
  const ask = (host: string, tenant: string) =>
    new Promise<number>((resolve, reject) => {
      const headers = { host, 'x-tenant': tenant };
      const port = sidecar.port('web');
      http
        .get({ host: '127.0.0.1', port, headers, agent: false }, (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode ?? 0));
        })
        .on('error', reject);
    });
  const all = (host: string, tenant: string) =>
    Promise.all(Array.from({ length: CONNECTIONS }, () => ask(host, tenant)));
  const every = (status: number) => Array.from({ length: CONNECTIONS }, () => status);

  before(async () => {
    await server.start();
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    const { port } = backend.address() as AddressInfo;
    const address = { socket_address: { address: '127.0.0.1', port_value: port } };
    server.set(scopeType, 'lazy', {
      name: 'lazy',
      on_demand: true,
      key: { fragments: [{ string_key: 'lazy' }] },
      route_configuration_name: 'rc',
    });
    server.set(routeType, 'rc', {
      name: 'rc',
      vhds: { config_source: { ads: {} } },
      virtual_hosts: [{ name: 'own', domains: ['own.x'] }],
    });
    server.preloaded.push('rc/given');
    server.set(hostType, 'rc/given', { name: 'given', domains: ['given.x'] });
    server.set(hostType, 'rc/far.x', {
      name: 'far',
      domains: ['far.x'],
      routes: [{ match: { prefix: '/' }, route: { cluster: 'far' } }],
    });
    server.set(clusterType, 'far', {
      name: 'far',
      type: 'STATIC',
      connect_timeout: '1s',
      load_assignment: {
        cluster_name: 'far',
        endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
      },
    });
    sidecar = await startSidecar(bootstrap(server.port), { concurrency: 2 });
  });

  after(async () => {
    await sidecar?.stop();
    backend.close();
    server.close();
  });

  test('a request waits for its routes, its virtual host and its cluster, each asked for once', async () => {
    assert.deepEqual(await all('far.x', 'lazy'), every(200));
    assert.deepEqual(server.asked(routeType), ['rc']);
    assert.deepEqual(server.asked(hostType), ['rc/far.x']);
    assert.deepEqual(server.asked(clusterType), ['far']);
    await sidecar.untilStat('on_demand.names', (value) => value === 3);
    assert.deepEqual(server.nacks(), []);
  });

  test('what does not exist is answered in both workers', async () => {
    assert.deepEqual(await all('none.x', 'lazy'), every(404));
    assert.deepEqual(await all('far.x', 'nobody'), every(404));
    assert.deepEqual(server.asked(hostType), ['rc/far.x', 'rc/none.x']);
  });

  test('an unchanged host changes nothing; a changed one is used by both workers', async () => {
    const host = (status: number) => ({
      name: 'far',
      domains: ['far.x'],
      routes: [{ match: { prefix: '/' }, direct_response: { status } }],
    });
    server.set(hostType, 'rc/far.x', host(418));
    await until('both use it', async () =>
      (await all('far.x', 'lazy')).every((status) => status === 418),
    );
    server.set(hostType, 'rc/far.x', host(418));
    assert.deepEqual(await all('far.x', 'lazy'), every(418));
  });
});
