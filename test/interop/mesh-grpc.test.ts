// A gRPC service in a mesh of real Envoys and our own sidecars: on either side of each kind of pair it is called by
// gRPC over mTLS, streams, follows a GRPCRoute's weights and is refused what a policy does not allow.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Server, status } from '@grpc/grpc-js';
import { type Price, PricingClient, startPricing } from '../../examples/shop/pricing.ts';
import { MixedMesh } from './mixed-mesh.ts';
import { skipWithout } from './peers.ts';
import { freePort } from './proxies.ts';

const documents = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: { name: mesh }
spec: { trustDomain: interop.test }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: frontend }
spec: { ports: [{ port: 80 }] }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: orders }
spec: { ports: [{ port: 80 }] }
---
${readFileSync(fileURLToPath(new URL('../../examples/shop/mesh/pricing.yaml', import.meta.url)), 'utf8')}
`;

/** Every method to one version. */
function allTo(version: string): object {
  const name = `pricing-${version}`;
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GRPCRoute',
    metadata: { name: 'pricing' },
    spec: {
      parentRefs: [{ kind: 'Service', group: '', name: 'pricing' }],
      rules: [
        {
          matches: [{ method: { service: 'shop.v1.Pricing' } }],
          backendRefs: [{ group: 'remora.dev', kind: 'ServiceVersion', name, port: 80 }],
        },
      ],
    },
  };
}

/** A fifth of a second of silence, and a third for the answer: a frozen peer is found long before any deadline. */
const keepalive = {
  apiVersion: 'remora.dev/v1',
  kind: 'TrafficPolicy',
  metadata: { name: 'pricing' },
  spec: {
    targetRef: { kind: 'Service', name: 'pricing' },
    http2: { keepalive: { interval: '200ms', timeout: '300ms' } },
  },
};

const callers = { 'an Envoy': 'envoy-orders', 'our sidecar': 'remora-frontend' };
const callees = { 'an Envoy': 'v2', 'our sidecar': 'v1' };

describe('gRPC between Envoy and Remora in one mesh', { skip: skipWithout('envoy') }, () => {
  const mesh = new MixedMesh();
  const servers: Server[] = [];
  const clients = new Map<string, PricingClient>();

  async function startApplication(version: string): Promise<number> {
    const port = await freePort();
    servers.push(await startPricing(`127.0.0.1:${port}`, { version, instance: version }));
    return port;
  }

  function clientOf(name: string): PricingClient {
    const client = clients.get(name);
    assert.ok(client !== undefined);
    return client;
  }

  before(async () => {
    await mesh.start(documents);
    // Callers without an application of their own: nobody calls them.
    const appPort = await freePort();
    await mesh.startOurs('remora-v1', {
      service: 'pricing',
      version: 'v1',
      appPort: await startApplication('v1'),
    });
    await mesh.startEnvoy('envoy-v2', 'DELTA_GRPC', {
      service: 'pricing',
      version: 'v2',
      appPort: await startApplication('v2'),
    });
    await mesh.startEnvoy('envoy-orders', 'GRPC', { service: 'orders', appPort });
    await mesh.startOurs('remora-frontend', { service: 'frontend', appPort });
    await mesh.ready();
    for (const name of Object.values(callers)) {
      clients.set(name, new PricingClient(`127.0.0.1:${mesh.sidecar(name).outbound}`));
    }
  });

  after(async () => {
    for (const client of clients.values()) client.close();
    for (const server of servers) server.forceShutdown();
    await mesh.stop();
  });

  for (const [callerName, caller] of Object.entries(callers)) {
    for (const [calleeName, version] of Object.entries(callees)) {
      test(`${callerName} calls ${calleeName}`, async () => {
        const client = clientOf(caller);
        await mesh.rest.apply(allTo(version));
        let streak = 0;
        await mesh.until(`${caller} follows the shift to ${version}`, async () => {
          const price = await client.getPrice('teapot');
          streak = price.version === version ? streak + 1 : 0;
          return streak >= 3;
        });
        const prices: readonly Price[] = await client.watchPrices('teapot', 10);
        assert.deepEqual(
          prices.map(({ cents }) => cents),
          [1999, 2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008],
        );
        const service = caller.split('-')[1];
        for (const price of prices) {
          assert.equal(price.version, version);
          assert.equal(price.caller, `spiffe://interop.test/ns/default/sa/${service}`);
        }
        await assert.rejects(client.setPrice(prices[0]!), {
          code: status.PERMISSION_DENIED,
          details: 'RBAC: access denied',
        });
      });
    }
  }

  test('no call fails while the weights move back and forth', async () => {
    let running = true;
    let calls = 0;
    const failures: string[] = [];
    const traffic = Promise.all(
      [...clients].map(async ([name, client]) => {
        while (running) {
          await client.getPrice('teapot').then(
            () => calls++,
            (error: Error) => failures.push(`${name}: ${error.message}`),
          );
        }
      }),
    );
    for (const version of ['v2', 'v1', 'v2']) {
      await mesh.rest.apply(allTo(version));
      const reached = calls + 100;
      await mesh.until('a hundred more calls', async () => calls >= reached);
    }
    running = false;
    await traffic;
    assert.deepEqual(failures, []);
  });

  /** Resolves when so many calls are under way at the sidecar of v1. */
  async function callsAtV1(count: number): Promise<void> {
    const { admin } = mesh.sidecar('remora-v1');
    await mesh.until(`${count} calls at v1`, async () => {
      const stats = await fetch(`http://127.0.0.1:${admin}/stats?filter=http.inbound.*rq_active`);
      return (await stats.text()).includes(`downstream_rq_active: ${count}\n`);
    });
  }

  test('streams live through changes of routes, clusters and listeners', async () => {
    await mesh.rest.apply(allTo('v1'));
    for (const client of clients.values()) {
      await mesh.until('it follows', async () => (await client.getPrice('cup')).version === 'v1');
    }
    const streams = [...clients.values()].map((client) => client.watchPrices('cup', 250, 30_000));
    await callsAtV1(streams.length);
    await mesh.rest.apply(allTo('v2'));
    // Changes the callers' clusters and the callee's listener.
    await mesh.rest.apply(keepalive);
    for (const client of clients.values()) {
      await mesh.until('it follows', async () => (await client.getPrice('cup')).version === 'v2');
    }
    await callsAtV1(streams.length);
    for (const prices of await Promise.all(streams)) {
      assert.equal(prices.length, 250);
      assert.ok(prices.every(({ version }) => version === 'v1'));
    }
  });

  test('a stream ends soon after the sidecar that it comes from has frozen', async () => {
    await mesh.rest.apply(keepalive);
    await mesh.rest.apply(allTo('v1'));
    const begun = new Set<string>();
    const streams = [...clients].map(async ([name, client]) => {
      await mesh.until(`${name} follows`, async () => {
        const price = await client.getPrice('teapot');
        return price.version === 'v1';
      });
      const startedMs = performance.now();
      const timeoutMs = 5000;
      const onPrice = () => begun.add(name);
      const outcome = await client.watchPrices('teapot', 1000, timeoutMs, onPrice).then(
        () => 'it ended well',
        (error: { code: number }) => error.code,
      );
      return { name, outcome, tookMs: performance.now() - startedMs };
    });
    await mesh.until('each has its first message', async () => begun.size === streams.length);
    mesh.freeze('remora-v1');
    for (const { name, outcome, tookMs } of await Promise.all(streams)) {
      // After its first message a stream can only be reset; DEADLINE_EXCEEDED would have come after five seconds.
      assert.equal(outcome, status.INTERNAL, `${name} after ${tookMs} ms`);
    }
  });
});
