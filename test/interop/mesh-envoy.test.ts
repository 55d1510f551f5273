// Real Envoys in our mesh, driven by our control plane: one by delta ADS, one by SotW ADS, beside our own
// sidecars. Calls go Envoy -> Remora and Remora -> Envoy over mTLS and follow a weight shift.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RestClient } from '../../cli/rest-client.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort } from './proxies.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const START_TIMEOUT_MS = 30_000;

const documents = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: { name: mesh }
spec: { trustDomain: interop.test }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: caller }
spec: { ports: [{ port: 80 }] }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: orders }
spec:
  ports: [{ port: 80 }]
  versions: [{ name: v1 }, { name: v2 }]
`;

function weights(v1: number, v2: number): object {
  const backend = (version: string, weight: number) => ({
    group: 'remora.dev',
    kind: 'ServiceVersion',
    name: `orders-${version}`,
    port: 80,
    weight,
  });
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'orders' },
    spec: {
      parentRefs: [{ kind: 'Service', group: '', name: 'orders' }],
      rules: [{ backendRefs: [backend('v1', v1), backend('v2', v2)] }],
    },
  };
}

interface Sidecar {
  readonly outbound: number;
  readonly admin: number;
}

describe('Envoy and Remora in one mesh', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-mesh-test-'));
  const children: { readonly name: string; readonly child: ChildProcess; output: string }[] = [];
  const applications: http.Server[] = [];
  const sidecars = new Map<string, Sidecar>();
  let rest: RestClient;

  function start(name: string, command: string, args: readonly string[]): void {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const entry = { name, child, output: '' };
    const keep = (chunk: Buffer) => {
      entry.output = (entry.output + chunk.toString()).slice(-8000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    children.push(entry);
  }

  /** Polls; the outputs of all processes go into the failure. */
  async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    let last: unknown = '';
    for (;;) {
      try {
        if (await probe()) return;
      } catch (thrown) {
        last = thrown;
      }
      if (performance.now() > deadline) {
        const outputs = children.map(({ name, output }) => `== ${name}\n${output}`).join('\n');
        assert.fail(`${what} did not happen (${String(last)})\n${outputs}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function startApplication(version: string): Promise<number> {
    const server = http.createServer((request, response) => {
      response.end(
        JSON.stringify({ version, clientCert: request.headers['x-forwarded-client-cert'] ?? '' }),
      );
    });
    applications.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  async function startEnvoy(
    name: string,
    apiType: 'DELTA_GRPC' | 'GRPC',
    plaintextPort: number,
    workload: { readonly service: string; readonly version?: string; readonly app_port: number },
  ): Promise<void> {
    const [inbound, outbound, admin] = [await freePort(), await freePort(), await freePort()];
    const ads = { ads: {}, resource_api_version: 'V3' };
    const bootstrap = {
      node: {
        id: `default/${name}`,
        cluster: workload.service,
        metadata: {
          remora: {
            ...workload,
            address: '127.0.0.1',
            inbound_port: inbound,
            outbound_port: outbound,
          },
        },
      },
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
      dynamic_resources: {
        ads_config: {
          api_type: apiType,
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
        },
        cds_config: ads,
        lds_config: ads,
      },
      static_resources: {
        clusters: [
          {
            name: 'xds',
            type: 'STATIC',
            connect_timeout: '1s',
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                '@type':
                  'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
                explicit_http_config: { http2_protocol_options: {} },
              },
            },
            load_assignment: {
              cluster_name: 'xds',
              endpoints: [
                {
                  lb_endpoints: [
                    {
                      endpoint: {
                        address: {
                          socket_address: { address: '127.0.0.1', port_value: plaintextPort },
                        },
                      },
                    },
                  ],
                },
              ],
            },
          },
        ],
      },
    };
    const file = join(directory, `${name}.json`);
    writeFileSync(file, JSON.stringify(bootstrap));
    start(name, findPeer('envoy') ?? 'envoy', [
      '-c',
      file,
      '--concurrency',
      '1',
      '-l',
      'warning',
      '--disable-hot-restart',
    ]);
    sidecars.set(name, { outbound, admin });
  }

  async function startOurs(
    name: string,
    xdsPort: number,
    service: string,
    version: string,
    appPort: number,
  ): Promise<void> {
    const [inbound, outbound, admin] = [await freePort(), await freePort(), await freePort()];
    const token = join(directory, `${name}.token`);
    writeFileSync(token, await rest.createToken(service), { mode: 0o600 });
    start(name, process.execPath, [
      join(root, 'bin/remora.js'),
      'proxy',
      ...['--join', `127.0.0.1:${xdsPort}`, '--service', service, '--app-port', String(appPort)],
      ...(version === '' ? [] : ['--version', version]),
      ...['--inbound-port', String(inbound), '--outbound-port', String(outbound)],
      ...['--admin-port', String(admin), '--advertise-address', '127.0.0.1', '--token-file', token],
      ...['--concurrency', '1', '-l', 'warning'],
    ]);
    sidecars.set(name, { outbound, admin });
  }

  async function call(
    from: string,
  ): Promise<{ status: number; version: string; clientCert: string }> {
    const sidecar = sidecars.get(from);
    assert.ok(sidecar !== undefined);
    return new Promise((resolve, reject) => {
      const request = http.get(
        {
          host: '127.0.0.1',
          port: sidecar.outbound,
          path: '/',
          headers: { host: 'orders' },
          agent: false,
        },
        (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => {
            body += chunk.toString();
          });
          response.on('end', () => {
            const status = response.statusCode ?? 0;
            if (status === 200) resolve({ status, ...JSON.parse(body) });
            else resolve({ status, version: body, clientCert: '' });
          });
        },
      );
      request.on('error', reject);
    });
  }

  /** Shifts all weight to one version and waits until `from` follows. */
  async function shift(version: 'v1' | 'v2', from: string): Promise<void> {
    await rest.apply(version === 'v1' ? weights(1, 0) : weights(0, 1));
    let streak = 0;
    await until(`${from} follows the shift to ${version}`, async () => {
      const answer = await call(from);
      streak = answer.status === 200 && answer.version === version ? streak + 1 : 0;
      return streak >= 5;
    });
  }

  before(async () => {
    const [xdsPort, plaintextPort, restPort] = [
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const mesh = join(directory, 'mesh');
    mkdirSync(mesh);
    writeFileSync(join(mesh, 'mesh.yaml'), documents);
    start('controlplane', process.execPath, [
      join(root, 'bin/remora.js'),
      'controlplane',
      ...['--config', mesh, '--xds-port', String(xdsPort), '--rest-port', String(restPort)],
      ...['--plaintext-xds-port', String(plaintextPort), '-l', 'warning'],
    ]);
    rest = new RestClient(`http://127.0.0.1:${restPort}`, null);
    await until('the control plane is ready', () => rest.isReady());
    const idle = await startApplication('caller');
    await startOurs('remora-v1', xdsPort, 'orders', 'v1', await startApplication('v1'));
    await startEnvoy('envoy-v2-delta', 'DELTA_GRPC', plaintextPort, {
      service: 'orders',
      version: 'v2',
      app_port: await startApplication('v2'),
    });
    await startEnvoy('envoy-caller-sotw', 'GRPC', plaintextPort, {
      service: 'caller',
      app_port: idle,
    });
    await startOurs('remora-web', xdsPort, 'web', '', idle);
    for (const [name, { admin }] of sidecars) {
      await until(`${name} is ready`, async () => {
        const response = await fetch(`http://127.0.0.1:${admin}/ready`);
        return response.status === 200;
      });
    }
  });

  after(async () => {
    await Promise.all(
      children.map(
        ({ child }) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null) {
              resolve();
              return;
            }
            child.once('exit', () => resolve());
            child.kill('SIGTERM');
            setTimeout(() => child.kill('SIGKILL'), 12_000).unref();
          }),
      ),
    );
    for (const server of applications) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(directory, { recursive: true, force: true });
  });

  test('an Envoy on SotW ADS calls our sidecar over mTLS', async () => {
    await shift('v1', 'envoy-caller-sotw');
    const answer = await call('envoy-caller-sotw');
    assert.equal(answer.status, 200);
    assert.match(answer.clientCert, /spiffe:\/\/interop\.test\/ns\/default\/sa\/caller/);
  });

  test('the same Envoy follows the weights to an Envoy on delta ADS', async () => {
    await shift('v2', 'envoy-caller-sotw');
  });

  test('our sidecar calls an Envoy over mTLS', async () => {
    await shift('v2', 'remora-web');
    const answer = await call('remora-web');
    assert.equal(answer.status, 200);
    assert.match(answer.clientCert, /spiffe:\/\/interop\.test\/ns\/default\/sa\/web/);
  });

  test('our sidecar follows the weights to our other sidecar', async () => {
    await shift('v1', 'remora-web');
    const answer = await call('remora-web');
    assert.match(answer.clientCert, /spiffe:\/\/interop\.test\/ns\/default\/sa\/web/);
  });

  test('no request fails while the weights move back and forth', async () => {
    let running = true;
    const failures: string[] = [];
    let requests = 0;
    const traffic = Promise.all(
      ['envoy-caller-sotw', 'remora-web'].map(async (from) => {
        while (running) {
          const answer = await call(from);
          requests++;
          if (answer.status !== 200) failures.push(`${from}: ${answer.status} ${answer.version}`);
        }
      }),
    );
    for (const version of ['v2', 'v1', 'v2'] as const) await shift(version, 'remora-web');
    running = false;
    await traffic;
    assert.deepEqual(failures, []);
    assert.ok(requests > 50, `only ${requests} requests`);
  });
});
