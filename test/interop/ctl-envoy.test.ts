// What `remora ctl` says of a real Envoy that our control plane drives: its refusals, what it waits for, what it runs by
// its own account, and the load that it reports.

import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { until } from '../fakes/until.ts';
import { runCtl } from '../integration/ctl-command.ts';
import { freePort, TestMesh } from '../integration/mesh.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const NODE = 'default/web1';
const documents = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
`;

const address = (port: number) => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});
const ads = { ads: {}, resource_api_version: 'V3' };
const toControlPlane = {
  transport_api_version: 'V3',
  grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
};
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

interface Ports {
  readonly xds: number;
  readonly inbound: number;
  readonly outbound: number;
}

/** Its one static EDS cluster asks for endpoints that nobody has. */
function bootstrap(apiType: string, admin: number, { xds, inbound, outbound }: Ports): string {
  return JSON.stringify({
    node: {
      id: NODE,
      cluster: 'web',
      metadata: {
        remora: {
          service: 'web',
          app_port: 1,
          address: '127.0.0.1',
          inbound_port: inbound,
          outbound_port: outbound,
        },
      },
    },
    admin: { address: address(admin) },
    cluster_manager: { load_stats_config: { ...toControlPlane, api_type: 'GRPC' } },
    dynamic_resources: {
      ads_config: { ...toControlPlane, api_type: apiType },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'nowhere',
          type: 'EDS',
          connect_timeout: '1s',
          eds_cluster_config: { eds_config: { ...ads, initial_fetch_timeout: '0.5s' } },
        },
        {
          name: 'xds',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(xds) } }] }],
          },
          typed_extension_protocol_options: {
            [HTTP_OPTIONS]: {
              '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  });
}

for (const apiType of ['DELTA_GRPC', 'GRPC']) {
  describe(`ctl and an Envoy over ${apiType}`, { skip: skipWithout('envoy') }, () => {
    let mesh: TestMesh;
    let envoy: RunningProxy;
    let squatter: net.Server;
    let outbound: number;

    before(async () => {
      mesh = await TestMesh.start(documents);
      await mesh.join('orders', '', 'orders');
      outbound = await freePort();
      squatter = net.createServer();
      await new Promise<void>((resolve) => squatter.listen(outbound, '127.0.0.1', resolve));
      const ports = { xds: mesh.plaintextXdsPort, inbound: await freePort(), outbound };
      envoy = await startProxy('envoy', findPeer('envoy') ?? '', ({ admin }) =>
        bootstrap(apiType, admin, ports),
      );
    });
    after(async () => {
      squatter.close();
      await envoy.stop();
      await mesh.stop();
    });
    const run = (...args: string[]) => runCtl(mesh.restUrl, ...args);

    test('proxy-status shows why it refuses a listener, and the endpoints that it waits for', async () => {
      await until('it has answered for listeners', async () => {
        const { items } = await mesh.api.proxyStatus();
        return items.some((item) => item.types['LDS']?.state === 'NACKED');
      });
      const { code, stdout } = await run('proxy-status', NODE);
      assert.equal(code, 1);
      assert.match(
        stdout,
        /^default\/web1 refuses LDS since \d+s: Error adding\/updating listener\(s\) outbound: cannot bind '127\.0\.0\.1:\d+': Address already in use$/m,
      );
      assert.match(
        stdout,
        /^default\/web1 waits for EDS nowhere since \d+s: the control plane has none$/m,
      );
    });

    test('proxy-config diff --admin shows what it does not run', async () => {
      const admin = `127.0.0.1:${envoy.ports.admin}`;
      const { code, stdout } = await run('proxy-config', NODE, 'diff', '--admin', admin);
      assert.equal(code, 1);
      // The inbound one of the same response it has taken, and all else.
      assert.match(stdout, /^[~+] LDS outbound$/m);
      assert.equal(stdout.split('\n').filter((line) => /^[~+-]/.test(line)).length, 1);
    });

    test('load shows what it reports, and after a change that it can take there is no difference', async () => {
      await new Promise((resolve) => squatter.close(resolve));
      // Another version of the listener: the refused one is not sent again.
      await mesh.api.apply({
        apiVersion: 'remora.dev/v1',
        kind: 'MeshConfig',
        metadata: { name: 'mesh' },
        spec: { accessLog: { path: '/dev/null' } },
      });
      const call = () =>
        new Promise<number>((resolve) => {
          const headers = { host: 'orders' };
          http
            .get({ host: '127.0.0.1', port: outbound, headers, agent: false }, (response) => {
              response.resume();
              response.on('end', () => resolve(response.statusCode ?? 0));
            })
            .on('error', () => resolve(0));
        });
      await until('calls get through', async () => (await call()) === 200);
      let isOver = false;
      const calling = (async () => {
        while (!isOver) await call();
      })();
      await until('a report comes', async () => {
        const loads = await mesh.api.loads('orders.default');
        return loads.some(({ localities }) => localities.some((at) => at.requestsPerSecond > 0));
      });
      isOver = true;
      await calling;
      const admin = `127.0.0.1:${envoy.ports.admin}`;
      const diff = await run('proxy-config', NODE, 'diff', '--admin', admin);
      assert.equal(diff.stdout, 'no difference\n');
      const status = await run('proxy-status', NODE);
      assert.equal(status.code, 0);
    });
  });
}
