// What every proxyless gRPC client must do by our control plane, in plaintext; each file beside this one runs it with one
// library. mTLS is in mtls.test.ts.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../fakes/until.ts';
import { skipWithout } from '../peers.ts';
import { type Backend, failsFirst, SECRET, startBackend } from './echo.ts';
import type { JsonPeer } from './json-peer.ts';
import { type ClientKind, calls, neededPeer, ProxylessMesh, type Tally, workload } from './mesh.ts';

function service(name: string, versions: readonly string[] = []): string {
  const list = versions.map((version) => `{ name: ${version} }`).join(', ');
  return `---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 80, protocol: GRPC }]${versions.length === 0 ? '' : `, versions: [${list}]`} }
`;
}

const version = (name: string, weight = 1) =>
  `{ group: remora.dev, kind: ServiceVersion, name: stock-${name}, port: 80, weight: ${weight} }`;

/** Alice's calls and those of one method to green, the rest by weight. */
const stockRoutes = `---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: stock }
spec:
  parentRefs: [{ kind: Service, group: '', name: stock }]
  rules:
    - matches: [{ headers: [{ name: x-user, value: alice }] }]
      backendRefs: [${version('green')}]
    - matches: [{ method: { service: test.Echo, method: Secret } }]
      backendRefs: [${version('green')}]
    - backendRefs: [${version('blue', 3)}, ${version('green', 1)}]
`;

const retries = `---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: { name: flaky }
spec:
  targetRef: { kind: Service, name: flaky }
  retries: { attempts: 2, retryOn: [unavailable], backoff: { base: 1ms } }
`;

const ejection = `---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: { name: crowd }
spec:
  targetRef: { kind: Service, name: crowd }
  outlierDetection:
    interval: 500ms
    baseEjectionTime: 60s
    failurePercentage: { threshold: 50, minimumInstances: 3, minimumRequests: 5 }
`;

const NODE = 'default/caller';

function only(name: string, tally: Tally): void {
  assert.deepEqual(tally.errors, {});
  assert.deepEqual(Object.keys(tally.answers), [name]);
}

export function proxylessScenarios(kind: ClientKind): void {
  const skip = skipWithout(neededPeer[kind]);
  describe(`a proxyless client of ${kind}`, { skip, timeout: 90_000 }, () => {
    const mesh = new ProxylessMesh();
    const backends = new Map<string, Backend>();
    let client: JsonPeer<Tally>;

    const backend = (name: string): Backend => {
      const found = backends.get(name);
      assert.ok(found !== undefined);
      return found;
    };
    const crowd = ['c1', 'c2', 'c3', 'c4'];
    const stock = () =>
      service('stock', ['blue', 'green']) +
      workload('stock', backend('blue'), ', version: blue') +
      workload('stock', backend('green'), ', version: green') +
      stockRoutes;
    const simple = (...names: readonly string[]) =>
      service('simple') + names.map((name) => workload('simple', backend(name))).join('');
    const rest = () =>
      service('flaky') +
      workload('flaky', backend('flaky')) +
      retries +
      service('crowd') +
      crowd.map((name) => workload('crowd', backend(name))).join('') +
      ejection;
    /** Waits until calls of `simple` are answered by exactly `names`; none may fail meanwhile. */
    const answeredBy = (...names: readonly string[]) =>
      until(`${names.join(' and ')} answer`, async () => {
        const tally = await calls(client, 10, 'xds:///simple');
        assert.deepEqual(tally.errors, {});
        return Object.keys(tally.answers).sort().join() === names.join();
      });

    before(async () => {
      for (const name of ['blue', 'green']) backends.set(name, await startBackend(name));
      backends.set('flaky', await startBackend('flaky', failsFirst));
      for (const name of crowd) {
        backends.set(name, await startBackend(name, () => name === 'c3'));
      }
      await mesh.start(stock() + simple('blue') + rest());
      client = mesh.client(kind, { node: NODE });
    });

    after(async () => {
      await client?.stop();
      await mesh.close();
      for (const { close } of backends.values()) close();
    });

    test('finds a service by each of its names', async () => {
      for (const target of ['simple', 'simple:80', 'simple.default', 'simple.default.svc:80']) {
        only('blue', await calls(client, 1, `xds:///${target}`));
      }
    });

    test('follows routes by metadata and by method', async () => {
      const alice = { metadata: { 'x-user': 'alice' } };
      only('green', await calls(client, 20, 'xds:///stock', alice));
      only('green', await calls(client, 20, 'xds:///stock', { method: SECRET }));
    });

    test('divides calls by weight', async () => {
      const { answers, errors } = await calls(client, 400, 'xds:///stock');
      assert.deepEqual(errors, {});
      // 100 expected; five standard deviations of 8.7.
      const green = answers['green'] ?? 0;
      assert.ok(green > 56 && green < 144, `${green} of 400`);
      assert.equal((answers['blue'] ?? 0) + green, 400);
    });

    test('tries again what a TrafficPolicy says', async () => {
      const before = backend('flaky').tries();
      only('flaky', await calls(client, 20, 'xds:///flaky'));
      assert.equal(backend('flaky').tries() - before, 40);
    });

    test('ejects an instance that fails', async () => {
      const first = await calls(client, 40, 'xds:///crowd');
      assert.deepEqual(Object.keys(first.answers).sort(), ['c1', 'c2', 'c4']);
      await until('nothing fails any more', async () => {
        const { errors } = await calls(client, 40, 'xds:///crowd');
        return Object.keys(errors).length === 0;
      });
      const before = backend('c3').tries();
      const { answers } = await calls(client, 40, 'xds:///crowd');
      assert.deepEqual(Object.keys(answers).sort(), ['c1', 'c2', 'c4']);
      assert.equal(backend('c3').tries(), before);
    });

    test('follows instances that come and go, without a failed call', async () => {
      mesh.write(stock() + simple('blue', 'green') + rest());
      await answeredBy('blue', 'green');
      mesh.write(stock() + simple('green') + rest());
      await answeredBy('green');
    });

    test('fails calls of a service that is gone, and finds it when it is back', async () => {
      mesh.write(stock() + rest());
      await until('its calls fail', async () => {
        const { errors } = await calls(client, 1, 'xds:///simple');
        return Object.keys(errors).some((text) => text.startsWith('14 '));
      });
      mesh.write(stock() + simple('blue') + rest());
      await until('it is back', async () => {
        const { answers } = await calls(client, 1, 'xds:///simple');
        return answers['blue'] === 1;
      });
    });

    test('a control plane that dies and comes back costs no call, and is obeyed again', async () => {
      await answeredBy('blue');
      await client.send({
        ...{ op: 'start', target: 'xds:///simple', method: '/test.Echo/Who' },
        ...{ pauseMs: 10, deadlineMs: 5000 },
      });
      await mesh.killControlPlane();
      await calls(client, 50, 'xds:///simple');
      await mesh.startControlPlane();
      mesh.write(stock() + simple('green') + rest());
      // Clients come back within their own back-off, which is their library's business.
      await until(
        'green answers',
        async () => {
          const { answers } = await calls(client, 1, 'xds:///simple');
          return answers['green'] === 1;
        },
        30_000,
      );
      const { answers, errors } = await client.send({ op: 'stop' });
      assert.deepEqual(errors, {});
      assert.ok((answers['blue'] ?? 0) > 50, `${answers['blue']} calls`);
    });

    test('reports its load', async () => {
      const { rest: api } = mesh;
      await until('a report comes', async () => {
        await calls(client, 20, 'xds:///simple');
        const loads = await api.loads('simple.default');
        return loads.some(({ localities }) => localities.some((at) => at.requestsPerSecond > 0));
      });
    });

    test('is known for what it is, and took all that it was sent', async () => {
      let seen = '';
      await until('it is in sync', async () => {
        const { items } = await mesh.rest.proxyStatus();
        const own = items.find(({ node }) => node === NODE);
        seen = JSON.stringify(own);
        const types = ['CDS', 'EDS', 'LDS', 'RDS'].map((type) => own?.types[type]?.state);
        return /"client":"gRPC /.test(seen) && types.every((state) => state === 'SYNCED');
      }).catch((thrown) => assert.fail(`${thrown}: ${seen}`));
    });
  });
}
