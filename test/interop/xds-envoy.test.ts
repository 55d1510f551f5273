// Our ADS server drives a real Envoy, by delta and by state of the world: start, change of routes, endpoints
// and clusters (which Envoy warms), a NACK and its repair, removal, restart of the control plane.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../fakes/xds-resources.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, type RunningProxy, startProxy } from './proxies.ts';

const NODE = 'envoy-1';

function bootstrap(adsPort: number, adminPort: number, apiType: string): string {
  return `
node: {id: ${NODE}, cluster: test}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: ${adminPort}}}}
dynamic_resources:
  ads_config:
    api_type: ${apiType}
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: ads}}]
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
static_resources:
  clusters:
    - name: ads
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {}}
      load_assignment:
        cluster_name: ads
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${adsPort}}}}}]}]
`;
}

async function startBackend(answer: string) {
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

for (const apiType of ['DELTA_GRPC', 'GRPC']) {
  describe(`Envoy with ${apiType} ADS`, { skip: skipWithout('envoy') }, () => {
    let harness: AdsHarness;
    let envoy: RunningProxy;
    let blue: Awaited<ReturnType<typeof startBackend>>;
    let green: Awaited<ReturnType<typeof startBackend>>;
    let port: number;

    const get = async (path: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return response.ok ? response.text() : `${response.status}`;
    };
    const synced = () =>
      until('the node is in sync', () => {
        const types = harness.ads.tracker.node(NODE)?.types ?? [];
        const asked = types.filter(({ kind }) => kind !== 'secret');
        return asked.length > 0 && asked.every(({ status }) => status === 'SYNCED');
      });
    const stat = async (name: string): Promise<number> => {
      const text = await envoy.admin(`/stats?filter=^${name}$`);
      return Number(text.split(': ')[1] ?? Number.NaN);
    };

    before(async () => {
      blue = await startBackend('blue');
      green = await startBackend('green');
      port = await freePort();
      harness = await startAds();
      harness.publish(
        NODE,
        edsCluster('blue'),
        assignment('blue', blue.port),
        routes('main', { '/': 'blue' }),
        httpListener('web', port, 'main'),
      );
      const binary = findPeer('envoy') ?? assert.fail('checked by skip');
      envoy = await startProxy('envoy', binary, ({ admin }) =>
        bootstrap(harness.port, admin, apiType),
      );
    });

    after(async () => {
      await envoy?.stop();
      harness?.close();
      blue?.close();
      green?.close();
    });

    test('starts and serves, and the control plane knows that it is in sync', async () => {
      await until('Envoy serves', async () => (await get('/').catch(() => '')) === 'blue');
      await synced();
      const node = harness.ads.tracker.node(NODE);
      assert.match(node?.userAgent ?? '', /^envoy\/1\./);
      const identifier = await envoy.admin('/stats?filter=^control_plane.identifier$');
      assert.match(identifier, /test-control-plane/);
    });

    test('moves a route to a new cluster without a failed request', async () => {
      let failed = 0;
      let stop = false;
      const load = (async () => {
        while (!stop) if (!['blue', 'green'].includes(await get('/'))) failed++;
      })();
      harness.publish(
        NODE,
        edsCluster('green'),
        assignment('green', green.port),
        routes('main', { '/': 'green' }),
        httpListener('web', port, 'main'),
      );
      await until('the new cluster answers', async () => (await get('/')) === 'green');
      await synced();
      await until('the old one is gone', async () => {
        return !(await envoy.admin('/clusters')).includes('blue::');
      });
      stop = true;
      await load;
      assert.equal(failed, 0);
    });

    test('warms a changed cluster at once: its endpoints are sent again', async () => {
      const before = performance.now();
      harness.publish(
        NODE,
        edsCluster('green', 2500),
        assignment('green', green.port),
        routes('main', { '/': 'green' }),
        httpListener('web', port, 'main'),
      );
      await until('nothing is warming', async () => {
        const dump = await envoy.admin('/config_dump?resource=dynamic_active_clusters');
        return dump.includes('2.500s') && (await stat('cluster_manager.warming_clusters')) === 0;
      });
      assert.ok(performance.now() - before < 5000, 'must not wait for initial_fetch_timeout');
      await synced();
    });

    test('changes endpoints alone without sending clusters again', async () => {
      const clusters = harness.ads.stats.responsesTotal.of('cluster');
      harness.publish(
        NODE,
        edsCluster('green', 2500),
        assignment('green', blue.port),
        routes('main', { '/': 'green' }),
        httpListener('web', port, 'main'),
      );
      await until('the new endpoint answers', async () => (await get('/')) === 'blue');
      await synced();
      assert.equal(harness.ads.stats.responsesTotal.of('cluster'), clusters);
    });

    test('remembers a NACK, does not repeat the refused version, and recovers', async () => {
      const good = [
        edsCluster('green', 2500),
        assignment('green', blue.port),
        routes('main', { '/': 'green' }),
        httpListener('web', port, 'main'),
      ];
      const bad = resourceOf('cluster', 'bad', {
        name: 'bad',
        type: 'STATIC',
        load_assignment: {
          cluster_name: 'bad',
          endpoints: [
            {
              lb_endpoints: [
                {
                  endpoint: {
                    address: { socket_address: { address: 'not-an-ip', port_value: 1 } },
                  },
                },
              ],
            },
          ],
        },
      });
      harness.publish(NODE, bad, ...good);
      await until('the NACK is known', () => {
        const cluster = harness.ads.tracker
          .node(NODE)
          ?.types.find(({ kind }) => kind === 'cluster');
        return cluster?.status === 'NACKED';
      });
      const nack = harness.ads.tracker
        .node(NODE)
        ?.types.find(({ kind }) => kind === 'cluster')?.nack;
      assert.match(nack?.reason ?? '', /not-an-ip/);
      const sent = harness.ads.stats.responsesTotal.of('cluster');
      assert.equal(await get('/'), 'blue');
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.equal(harness.ads.stats.responsesTotal.of('cluster'), sent, 'a hot loop');
      harness.publish(NODE, ...good);
      await synced();
    });

    test('keeps serving while the control plane is away, and resumes without a resend', async () => {
      const { cache, port: adsPort } = harness;
      const clusterUpdates = await stat('cluster_manager.cds.update_success');
      harness.close();
      assert.equal(await get('/'), 'blue');
      await until('Envoy noticed', async () => {
        return (await stat('control_plane.connected_state')) === 0;
      });
      assert.equal(await get('/'), 'blue');
      harness = await startAds(adsPort, cache);
      await synced();
      assert.equal(await get('/'), 'blue');
      const resent = harness.ads.stats.responsesTotal.total;
      assert.equal(resent, 0, 'versions were equal');
      assert.equal(await stat('cluster_manager.cds.update_success'), clusterUpdates);
    });

    test('removes a listener', async () => {
      harness.publish(NODE, edsCluster('green', 2500), assignment('green', blue.port));
      await until(
        'it is gone',
        async () => (await stat('listener_manager.total_listeners_active')) === 0,
      );
    });
  });
}
