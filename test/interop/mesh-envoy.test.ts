// Real Envoys in our mesh, driven by our control plane: one by delta ADS, one by SotW ADS, beside our own
// sidecars. Calls go Envoy -> Remora and Remora -> Envoy over mTLS and follow a weight shift.

import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { MixedMesh } from './mixed-mesh.ts';
import { skipWithout } from './peers.ts';

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

describe('Envoy and Remora in one mesh', { skip: skipWithout('envoy') }, () => {
  const mesh = new MixedMesh();
  const applications: http.Server[] = [];

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

  async function call(
    from: string,
  ): Promise<{ status: number; version: string; clientCert: string }> {
    return new Promise((resolve, reject) => {
      const request = http.get(
        {
          host: '127.0.0.1',
          port: mesh.sidecar(from).outbound,
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
    await mesh.rest.apply(version === 'v1' ? weights(1, 0) : weights(0, 1));
    let streak = 0;
    await mesh.until(`${from} follows the shift to ${version}`, async () => {
      const answer = await call(from);
      streak = answer.status === 200 && answer.version === version ? streak + 1 : 0;
      return streak >= 5;
    });
  }

  before(async () => {
    await mesh.start(documents);
    const appPort = await startApplication('caller');
    await mesh.startOurs('remora-v1', {
      service: 'orders',
      version: 'v1',
      appPort: await startApplication('v1'),
    });
    await mesh.startEnvoy('envoy-v2-delta', 'DELTA_GRPC', {
      service: 'orders',
      version: 'v2',
      appPort: await startApplication('v2'),
    });
    await mesh.startEnvoy('envoy-caller-sotw', 'GRPC', { service: 'caller', appPort });
    await mesh.startOurs('remora-web', { service: 'web', appPort });
    await mesh.ready();
  });

  after(async () => {
    await mesh.stop();
    for (const server of applications) {
      server.close();
      server.closeAllConnections();
    }
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
