// Proxyless gRPC by mTLS: clients of three libraries, xDS-enabled servers of two (A36), our sidecar on either side. The
// certificates come from files (file_watcher), are of the mesh's CA, and AuthorizationPolicies hold.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { until } from '../../fakes/until.ts';
import { skipWithout } from '../peers.ts';
import { freePort } from '../proxies.ts';
import { writeCertificates } from './certificate-files.ts';
import { type Backend, identity, SECRET, startBackend, WHO } from './echo.ts';
import type { JsonPeer } from './json-peer.ts';
import { type ClientKind, calls, type ModeEvent, ProxylessMesh, type Tally } from './mesh.ts';

const SERVERS = ['go', 'python', 'sidecar'] as const;

const versionRule = (name: string) => `
    - matches: [{ headers: [{ name: x-version, value: ${name} }] }]
      backendRefs: [{ group: remora.dev, kind: ServiceVersion, name: stock-${name}, port: 80 }]`;

/** `web` may ask Who; nobody may ask Secret. */
const documents = (goPort: number) => `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: { name: mesh }
spec: { trustDomain: interop.test }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: other }
spec: { ports: [{ port: 80 }] }
---
apiVersion: remora.dev/v1
kind: Service
metadata: { name: stock }
spec:
  ports: [{ port: 80, protocol: GRPC }]
  versions: [${SERVERS.map((name) => `{ name: ${name} }`).join(', ')}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: stock }
spec:
  parentRefs: [{ kind: Service, group: '', name: stock }]
  rules:${SERVERS.map(versionRule).join('')}
---
apiVersion: remora.dev/v1
kind: AuthorizationPolicy
metadata: { name: stock }
spec:
  targetRef: { kind: Service, name: stock }
  rules: [{ from: [{ service: web }], to: [{ paths: [${WHO}] }] }]
---
apiVersion: remora.dev/v1
kind: Workload
metadata: { name: web-1 }
spec: { service: web, address: 127.0.0.1, inboundPort: 9, appPort: 9 }
---
apiVersion: remora.dev/v1
kind: Workload
metadata: { name: other-1 }
spec: { service: other, address: 127.0.0.1, inboundPort: 9, appPort: 9 }
---
apiVersion: remora.dev/v1
kind: Workload
metadata: { name: stock-go }
spec: { service: stock, version: go, address: 127.0.0.1, inboundPort: ${goPort}, appPort: ${goPort} }
`;

const skip = skipWithout('xds_peer') || skipWithout('python_grpc');

describe('proxyless gRPC by mTLS', { skip, timeout: 90_000 }, () => {
  const mesh = new ProxylessMesh();
  const peers: JsonPeer<Tally>[] = [];
  const servers: JsonPeer<never, ModeEvent>[] = [];
  const directory = (name: string) => join(mesh.directory, name);
  let backend: Backend;
  let viaSidecar: Client;

  function client(
    kind: ClientKind,
    node: string,
    certificates?: string,
    tls = false,
  ): JsonPeer<Tally> {
    const peer = mesh.client(kind, {
      node,
      tls,
      ...(certificates === undefined ? {} : { certificates: directory(certificates) }),
    });
    peers.push(peer);
    return peer;
  }

  const ask = (peer: JsonPeer<Tally>, version: string, method = WHO) =>
    calls(peer, 1, 'xds:///stock', { method, metadata: { 'x-version': version } });

  /** Until the first of them is answered: servers come and go on their own. */
  const answered = (peer: JsonPeer<Tally>, version: string) =>
    until(`${version} answers`, async () => (await ask(peer, version)).answers[version] === 1);

  before(async () => {
    const [goPort, pythonPort] = [await freePort(), await freePort()];
    await mesh.start(documents(goPort));
    const python = { service: 'stock', version: 'python', port: pythonPort };
    await Promise.all([
      writeCertificates(mesh.xdsPort, 'default/web-1', directory('web')),
      writeCertificates(mesh.xdsPort, 'default/other-1', directory('other')),
      writeCertificates(mesh.xdsPort, 'default/stock-go', directory('stock-go')),
      // Not written as a Workload: it registers itself, first here and then as what it is.
      writeCertificates(mesh.xdsPort, 'default/stock-python', directory('stock-python'), {
        ...{ service: 'stock', version: 'python' },
        ...{ inbound_port: pythonPort, app_port: pythonPort },
      }),
    ]);
    const go = mesh.server('go', 'go', `127.0.0.1:${goPort}`, {
      node: 'default/stock-go',
      certificates: directory('stock-go'),
    });
    servers.push(go);
    servers.push(
      mesh.server('python', 'python', `127.0.0.1:${pythonPort}`, {
        node: 'default/stock-python',
        certificates: directory('stock-python'),
        ...python,
      }),
    );
    backend = await startBackend('sidecar');
    const [, outbound] = await Promise.all([
      mesh.sidecar('stock-sidecar', 'stock', backend.port, 'sidecar'),
      mesh.sidecar('web-sidecar', 'web', backend.port),
    ]);
    viaSidecar = new Client(`127.0.0.1:${outbound}`, credentials.createInsecure(), {
      'grpc.default_authority': 'stock',
    });
    await go.event('the Go server serves', ({ mode }) => mode === 'serving');
  });

  after(async () => {
    viaSidecar?.close();
    await Promise.all([...peers, ...servers].map((peer) => peer.stop()));
    await mesh.close();
    backend?.close();
  });

  for (const kind of ['go', 'python', 'grpc-js'] as const) {
    test(`a client of ${kind} calls xDS servers and sidecars as who it is`, async () => {
      const web = client(kind, 'default/web-1', 'web');
      for (const version of SERVERS) await answered(web, version);
      for (const version of SERVERS) {
        assert.deepEqual(await ask(web, version).then(({ answers }) => answers), { [version]: 1 });
        const { errors } = await ask(web, version, SECRET);
        assert.match(Object.keys(errors).join(), /^7 /, `${version} tells its secret`);
      }
    });
  }

  for (const kind of ['go', 'python'] as const) {
    test(`a client of ${kind} gets its xDS by mTLS, as the identity of its files and no other`, async () => {
      const web = client(kind, 'default/web-1', 'web', true);
      await answered(web, 'go');
      const pretender = client(kind, 'default/web-1', 'other', true);
      const { answers, errors } = await ask(pretender, 'go');
      assert.deepEqual(answers, {});
      assert.match(Object.keys(errors).join(), /^(14|4) /);
    });
  }

  test('another identity is refused by each of them', async () => {
    const other = client('go', 'default/other-1', 'other');
    for (const version of SERVERS) {
      const { errors } = await ask(other, version);
      assert.match(Object.keys(errors).join(), /^7 /, version);
    }
  });

  test('a client without certificates gets no answer of a mesh that is STRICT', async () => {
    const plain = client('go', 'default/nobody');
    for (const version of SERVERS) {
      const { answers, errors } = await ask(plain, version);
      assert.deepEqual(answers, {});
      assert.match(Object.keys(errors).join(), /^(14|4) /, version);
    }
  });

  test('an application behind a sidecar calls xDS servers', async () => {
    const call = (version: string, method = WHO) => {
      const metadata = new Metadata();
      metadata.set('x-version', version);
      const deadline = new Date(Date.now() + 5000);
      return new Promise<string>((resolve) => {
        viaSidecar.makeUnaryRequest(
          method,
          identity,
          identity,
          Buffer.alloc(0),
          metadata,
          { deadline },
          (error, value) => resolve(error === null ? String(value) : `error ${error.code}`),
        );
      });
    };
    for (const version of SERVERS) {
      await until(`${version} answers`, async () => (await call(version)) === version);
      assert.equal(await call(version, SECRET), `error ${status.PERMISSION_DENIED}`);
    }
  });

  test('renewed files are taken by new connections, and the open ones stay', async () => {
    const web = client('go', 'default/web-1', 'web');
    await answered(web, 'go');
    // Another identity, so that it is seen which of the two is in use.
    await writeCertificates(mesh.xdsPort, 'default/other-1', directory('web'));
    const names = ['stock:80', 'stock.default', 'stock.default:80', 'stock.default.svc'];
    names.push('stock.default.svc:80', 'stock.default.svc.cluster.local');
    // Each name is a channel of its own, with connections of its own.
    const refused: boolean[] = [];
    for (const name of names) {
      const metadata = { 'x-version': 'go' };
      const { errors } = await calls(web, 1, `xds:///${name}`, { metadata });
      refused.push(Object.keys(errors).some((text) => text.startsWith('7 ')));
      // The files are looked at once per second.
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    assert.deepEqual([refused[0], refused.at(-1)], [false, true], refused.join());
    assert.deepEqual((await ask(web, 'go')).answers, { go: 1 });
  });
});
