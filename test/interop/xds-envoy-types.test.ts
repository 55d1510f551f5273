// A real Envoy, and our sidecar beside it, take every type from our server: each on a stream of its own in both protocols, by REST polling, and on
// one aggregated stream scoped routes, virtual hosts on demand, filter configs, runtime and the end of old streams.

import assert from 'node:assert/strict';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { restDiscovery } from '../../controlplane/ads/rest.ts';
import { resourceFromJson } from '../../controlplane/xds-server.ts';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, type RunningProxy, startProxy } from './proxies.ts';

const NODE = 'envoy-1';
const typeUrl = (name: string) => `type.googleapis.com/${name}`;
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const at = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const router = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': typeUrl('envoy.extensions.filters.http.router.v3.Router') },
};

type Json = Readonly<Record<string, unknown>>;

const cluster = (source: Json) =>
  resourceFromJson('cluster', {
    name: 'backend',
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: source },
  });
const endpoints = (port: number) =>
  resourceFromJson('endpoint', {
    cluster_name: 'backend',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: at(port) } }] }],
  });
const routes = (name: string, fields: Json) => resourceFromJson('route', { name, ...fields });
const everything = { match: { prefix: '/' }, route: { cluster: 'backend' } };
const answering = (body: string) => ({
  match: { prefix: '/' },
  direct_response: { status: 200, body: { inline_string: body } },
});
const allHosts = (route: Json) => ({
  virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }],
});
const listener = (port: number, manager: Json) =>
  resourceFromJson('listener', {
    name: 'web',
    address: at(port),
    filter_chains: [
      {
        filters: [
          {
            name: 'http',
            typed_config: {
              '@type': typeUrl(HCM),
              stat_prefix: 'web',
              http_filters: [router],
              ...manager,
            },
          },
        ],
      },
    ],
  });

/** `lines`: the rest of the bootstrap. */
function bootstrap(admin: number, upstream: number, isHttp2: boolean, lines: string): string {
  const http2 = `
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": ${typeUrl('envoy.extensions.upstreams.http.v3.HttpProtocolOptions')}
          explicit_http_config: {http2_protocol_options: {}}`;
  return `
node: {id: ${NODE}, cluster: test}
admin: {address: ${JSON.stringify(at(admin))}}
${lines}
static_resources:
  clusters:
    - name: xds
      type: STATIC
      connect_timeout: 1s${isHttp2 ? http2 : ''}
      load_assignment:
        cluster_name: xds
        endpoints: [{lb_endpoints: [{endpoint: {address: ${JSON.stringify(at(upstream))}}}]}]
`;
}

async function startBackend(answer: string): Promise<{ server: Server; port: number }> {
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

const binary = () => findPeer('envoy') ?? assert.fail('checked by skip');
/** On a connection of its own: one that is kept would stay with the listener that it came to. */
function get(port: number, headers: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve(response.statusCode === 200 ? body : `${response.statusCode}`),
      );
    })
      .on('error', reject)
      .end();
  });
}

for (const apiType of ['DELTA_GRPC', 'GRPC', 'REST']) {
  test(`Envoy with a ${apiType} source per type`, { skip: skipWithout('envoy') }, async () => {
    const { server: backend, port: backendPort } = await startBackend('hello');
    const { server: other, port: otherPort } = await startBackend('other');
    const harness = await startAds();
    const rest = createServer(
      restDiscovery({
        cache: harness.cache,
        stats: harness.ads.stats,
        authenticate: (_peer, { id }) => ({ ok: true, snapshotKey: id, nodeId: id }),
        logger: silentLogger(),
        identifier: 'test',
      }),
    );
    await new Promise<void>((resolve) => rest.listen(0, '127.0.0.1', resolve));
    const isRest = apiType === 'REST';
    const source = {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: apiType,
        transport_api_version: 'V3',
        ...(isRest
          ? { cluster_names: ['xds'], refresh_delay: '0.1s' }
          : { grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] }),
      },
    };
    const port = await freePort();
    const publish = (to: number) =>
      harness.publish(
        NODE,
        cluster(source),
        endpoints(to),
        routes('main', allHosts(everything)),
        listener(port, { rds: { route_config_name: 'main', config_source: source } }),
      );
    publish(backendPort);
    const restPort = (rest.address() as AddressInfo).port;
    const dynamic = `dynamic_resources: ${JSON.stringify({ cds_config: source, lds_config: source })}`;
    const envoy = await startProxy('envoy', binary(), ({ admin }) =>
      bootstrap(admin, isRest ? restPort : harness.port, !isRest, dynamic),
    );
    try {
      await until('it serves', async () => (await get(port).catch(() => '')) === 'hello');
      publish(otherPort);
      await until('new endpoints', async () => (await get(port)) === 'other');
      if (isRest) {
        await until('nothing is said twice', () => harness.ads.stats.fetchesUnchangedTotal > 5);
      } else {
        assert.equal(harness.ads.stats.streamsActive, 4, 'one per type');
        await until('one node, in sync', () => {
          const types = harness.ads.tracker.node(NODE)?.types ?? [];
          return types.filter(({ status }) => status === 'SYNCED').length === 4;
        });
      }
    } finally {
      await envoy.stop();
      harness.close();
      for (const server of [backend, other, rest]) {
        server.closeAllConnections();
        server.close();
      }
    }
  });
}

for (const kind of ['envoy', 'remora'] as const) {
  describe(`${kind} with all types on one delta stream`, { skip: skipWithout('envoy') }, () => {
    const ads = { ads: {}, resource_api_version: 'V3' };
    let harness: AdsHarness;
    let envoy: RunningProxy;
    let port: number;
    let snapshotOf: (manager: Json, ...more: Parameters<AdsHarness['publish']>[1][]) => void;

    before(async () => {
      port = await freePort();
      harness = await startAds(0, undefined, { maxStreamAgeMs: 0 });
      snapshotOf = (manager, ...more) =>
        harness.publish(
          NODE,
          listener(port, manager),
          resourceFromJson('runtime', { name: 'layer', layer: { 'a.key': 'set by RTDS' } }),
          ...more,
        );
      snapshotOf({ route_config: allHosts(answering('plain')) });
      const layered = {
        layered_runtime: {
          layers: [{ name: 'l', rtds_layer: { name: 'layer', rtds_config: ads } }],
        },
        dynamic_resources: {
          ads_config: {
            api_type: 'DELTA_GRPC',
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
          },
          cds_config: ads,
          lds_config: ads,
        },
      };
      const lines = Object.entries(layered).map(
        ([key, value]) => `${key}: ${JSON.stringify(value)}`,
      );
      envoy = await startProxy(kind, binary(), ({ admin }) =>
        bootstrap(admin, harness.port, true, lines.join('\n')),
      );
    });
    after(async () => {
      await envoy?.stop();
      harness?.close();
    });
    const answers = (what: string, headers: Record<string, string> = {}) =>
      until(`it answers ${what}`, async () => (await get(port, headers).catch(() => '')) === what);

    test('runtime', async () => {
      await answers('plain');
      assert.match(await envoy.admin('/runtime'), /set by RTDS/);
    });

    test('filter configs', async () => {
      const filter = {
        name: 'late',
        config_discovery: {
          config_source: ads,
          type_urls: [typeUrl('envoy.extensions.filters.http.fault.v3.HTTPFault')],
        },
      };
      const fault = resourceFromJson('extension-config', {
        name: 'late',
        typed_config: {
          '@type': typeUrl('envoy.extensions.filters.http.fault.v3.HTTPFault'),
          abort: { http_status: 418, percentage: { numerator: 100 } },
        },
      });
      snapshotOf(
        { route_config: allHosts(answering('plain')), http_filters: [filter, router] },
        fault,
      );
      await answers('418');
    });

    test('scoped routes, whole and one less', async () => {
      const scoped_routes = {
        name: 'scopes',
        scope_key_builder: {
          fragments: [
            {
              header_value_extractor: { name: 'x-tenant', element: { key: 'id', separator: '=' } },
            },
          ],
        },
        rds_config_source: ads,
        scoped_rds: { scoped_rds_config_source: ads },
      };
      const scope = (tenant: string) =>
        resourceFromJson('scoped-route', {
          name: `scope-${tenant}`,
          route_configuration_name: `table-${tenant}`,
          key: { fragments: [{ string_key: tenant }] },
        });
      const table = (tenant: string) => routes(`table-${tenant}`, allHosts(answering(tenant)));
      snapshotOf({ scoped_routes }, scope('blue'), scope('red'), table('blue'), table('red'));
      await answers('blue', { 'x-tenant': 'id=blue' });
      await answers('red', { 'x-tenant': 'id=red' });
      snapshotOf({ scoped_routes }, scope('blue'), table('blue'));
      await answers('404', { 'x-tenant': 'id=red' });
      await answers('blue', { 'x-tenant': 'id=blue' });
    });

    test('virtual hosts on demand: exact, by suffix, and none', async () => {
      const onDemand = {
        name: 'envoy.filters.http.on_demand',
        typed_config: { '@type': typeUrl('envoy.extensions.filters.http.on_demand.v3.OnDemand') },
      };
      const host = (name: string, domain: string) =>
        resourceFromJson(
          'virtual-host',
          { name, domains: [domain], routes: [answering(name)] },
          { name: `lazy/${name}` },
        );
      snapshotOf(
        {
          rds: { route_config_name: 'lazy', config_source: ads },
          http_filters: [onDemand, router],
        },
        routes('lazy', { vhds: { config_source: ads } }),
        host('exact', 'a.test'),
        host('suffix', '*.b.test'),
        host('never-asked-for', 'c.test'),
      );
      const of = (name: string) => get(port, { host: name });
      await until('the table is there', async () => (await of('a.test')) === 'exact');
      assert.equal(await of('x.b.test'), 'suffix');
      assert.equal(await of('nobody.test'), '404');
      const asked = harness.ads.tracker.view(NODE)?.subscription('virtual-host')?.names;
      assert.ok(asked?.has('lazy/x.b.test'), [...(asked ?? [])].join());
      assert.doesNotMatch(await envoy.admin('/config_dump?include_eds'), /never-asked-for/);
    });
  });
}

test('Envoy takes the end of an old stream quietly and comes back', {
  skip: skipWithout('envoy'),
}, async () => {
  const harness = await startAds(0, undefined, { maxStreamAgeMs: 1000 });
  harness.publish(NODE, resourceFromJson('cluster', { name: 'a', type: 'STATIC' }));
  const ads = { ads: {}, resource_api_version: 'V3' };
  const dynamic = {
    ads_config: {
      api_type: 'DELTA_GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
    },
    cds_config: ads,
  };
  const envoy = await startProxy('envoy', binary(), ({ admin }) =>
    bootstrap(admin, harness.port, true, `dynamic_resources: ${JSON.stringify(dynamic)}`),
  );
  try {
    await until('two ended and a third is there', () => {
      const { agedStreamsTotal, streamsActive } = harness.ads.stats;
      return agedStreamsTotal >= 2 && streamsActive === 1;
    });
    assert.equal(harness.ads.stats.responsesTotal.total, 1, 'nothing is sent again');
    assert.doesNotMatch(envoy.output(), /\[(warning|error|critical)\].*config stream/i);
  } finally {
    await envoy.stop();
    harness.close();
  }
});
