// Services that speak HTTP/2 and gRPC in a mesh of our own: callers of either HTTP reach them, a GRPCRoute routes by
// method, deadlines are kept by the sidecars, what a GRPCRoute pushes aside says so, and an instance that reports itself
// ill, or whose calls fail, is left out, and one that leaves loses no call.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { until } from '../fakes/ads-harness.ts';
import { type MeshSidecar, TestMesh } from './mesh.ts';

const service = (name: string, port: string, rest = '') => `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: 80${port}}]${rest}}
---`;
const documents = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: {name: mesh}
spec: {trustDomain: a.test}
---${service('frontend', '')}${service('plain', '')}${service('files', ', appProtocol: kubernetes.io/h2c')}${service(
  'stock',
  ', protocol: GRPC',
  ', versions: [{name: v1}, {name: v2}]',
)}
`;

const grpcRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: stock}
spec:
  parentRefs: [{kind: Service, name: stock}]
  rules:
    - matches: [{method: {service: shop.Stock, method: Get}}]
      backendRefs: [{group: remora.dev, kind: ServiceVersion, name: stock-v2}]
    - matches: [{method: {service: shop.Stock}}]
      backendRefs: [{group: remora.dev, kind: ServiceVersion, name: stock-v1}]
`;
const httpRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: stock}
spec:
  parentRefs: [{kind: Service, name: stock}]
  rules: [{backendRefs: [{name: plain}]}]
`;

/** Short, so that the test does not wait; probes without traffic come a minute apart. */
const healthPolicy = `
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: stock}
spec:
  targetRef: {kind: Service, name: stock}
  healthCheck: {grpc: {service: shop.Stock}, interval: 100ms, unhealthyThreshold: 1}
---
apiVersion: remora.dev/v1
kind: AuthorizationPolicy
metadata: {name: stock}
spec:
  targetRef: {kind: Service, name: stock}
  rules: [{from: [{service: frontend}], to: [{paths: [/shop.Stock/Get]}]}]
`;

/** A quarter of it is for the others to hear that an instance leaves. */
const LEAVING_MS = 8000;

const SERVING = 1;
const NOT_SERVING = 2;

const ejectingPolicy = `
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: stock}
spec:
  targetRef: {kind: Service, name: stock}
  outlierDetection: {consecutiveGatewayFailure: 3, grpcStatusFromTrailers: true}
`;

interface Application {
  readonly name: string;
  readonly server: http2.Http2Server;
  health: number;
  /** Of its calls, in the trailers. */
  grpcStatus: number;
}

/** Says who it is and what it was spoken to with; never answers the method Hang. */
async function startHttp2Application(name: string, onAbort: () => void): Promise<Application> {
  const server = http2.createServer((request, response) => {
    request.resume();
    if (request.url === '/grpc.health.v1.Health/Check') {
      response.addTrailers({ 'grpc-status': '0' });
      response.writeHead(200, { 'content-type': 'application/grpc' });
      response.end(Buffer.from([0, 0, 0, 0, 2, 8, application.health]));
      return;
    }
    if (request.url.endsWith('/Hang')) {
      request.on('aborted', onAbort);
      return;
    }
    if (request.headers['content-type'] !== 'application/grpc') {
      response.end(`${name} ${request.httpVersion} ${request.method}`);
      return;
    }
    response.addTrailers({ 'grpc-status': application.grpcStatus, 'x-app': name });
    response.writeHead(200, { 'content-type': 'application/grpc' });
    response.end(Buffer.from([0, 0, 0, 0, 0]));
  });
  const application: Application = { name, server, health: SERVING, grpcStatus: 0 };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return application;
}

interface Http2Answer {
  readonly status: number;
  readonly body: string;
  /** Of the headers and, above them, the trailers. */
  readonly fields: http2.IncomingHttpHeaders;
}

describe('services that speak HTTP/2', () => {
  let mesh: TestMesh;
  let frontend: MeshSidecar;
  let session: http2.ClientHttp2Session;
  const applications: Application[] = [];
  /** Calls that the applications saw end before their answer. */
  let aborted = 0;

  async function joinHttp2(name: string, version: string) {
    const application = await startHttp2Application(version === '' ? name : version, () => {
      aborted++;
    });
    applications.push(application);
    const { port } = application.server.address() as AddressInfo; // listens on TCP
    const sidecar = await mesh.joinBeside(name, version, port, LEAVING_MS);
    return { application, sidecar };
  }

  before(async () => {
    mesh = await TestMesh.start(documents);
    await mesh.join('plain', '', 'plain 1.1');
    await joinHttp2('files', '');
    await joinHttp2('stock', 'v1');
    await joinHttp2('stock', 'v2');
    frontend = await mesh.join('frontend', '', 'frontend');
    await mesh.synced(5);
    session = http2.connect(`http://127.0.0.1:${frontend.outboundPort}`);
    await once(session, 'connect');
  });
  after(async () => {
    session?.destroy();
    await mesh?.stop();
    for (const { server } of applications) server.close();
  });

  /** By HTTP/2, with prior knowledge. */
  function viaHttp2(host: string, path: string, headers: object = {}): Promise<Http2Answer> {
    const stream = session.request({ ':authority': host, ':path': path, ...headers });
    // Each request that is answered before its end is reset, and Node's server bears a thousand resets.
    stream.end();
    return new Promise((resolve, reject) => {
      let fields: http2.IncomingHttpHeaders = {};
      let body = '';
      stream.on('response', (received) => {
        fields = received;
      });
      stream.on('trailers', (received) => {
        fields = { ...fields, ...received };
      });
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        body += chunk;
      });
      stream.on('error', reject);
      stream.on('end', () => resolve({ status: Number(fields[':status']), body, fields }));
    });
  }

  const call = (method: string, headers: object = {}) =>
    viaHttp2('stock', `/shop.Stock/${method}`, {
      ':method': 'POST',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });

  /** Which instances do. */
  async function answering(): Promise<string> {
    const names = new Set<unknown>();
    for (let i = 0; i < 20; i++) names.add((await call('Get')).fields['x-app']);
    return [...names].sort().join();
  }

  function viaHttp1(host: string, headers: http.OutgoingHttpHeaders = {}): Promise<string> {
    const options = { port: frontend.outboundPort, path: '/a', headers: { host, ...headers } };
    return new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', agent: false, ...options }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => resolve(`${response.statusCode} ${body}`));
      });
      request.on('error', reject);
    });
  }

  test('callers by HTTP/1.1 and by HTTP/2 reach services of either', async () => {
    // A listener is taken before its workers have bound it.
    await until('both listen', async () => {
      const answers = [await viaHttp1('plain'), await viaHttp1('files')];
      return answers.join() === '200 plain 1.1,200 files 2.0 GET';
    });
    assert.equal((await viaHttp2('plain', '/')).body, 'plain 1.1');
    assert.equal((await viaHttp2('files.default:80', '/')).body, 'files 2.0 GET');
  });

  test('names with underscores are metadata to gRPC, and refused elsewhere', async () => {
    assert.equal((await call('Get', { user_id: '1' })).fields['grpc-status'], '0');
    assert.match(await viaHttp1('plain', { user_id: '1' }), /^400/);
  });

  test('the sidecars end a call at the deadline that its caller has set', async () => {
    // On a busy machine the deadline may pass before the application has heard of the call.
    await until('the application sees it', async () => {
      const { fields } = await call('Hang', { 'grpc-timeout': '300m' });
      assert.equal(fields['grpc-status'], '4', 'DEADLINE_EXCEEDED');
      return aborted > 0;
    });
  });

  test('a GRPCRoute goes by method, and what is no gRPC has no route any more', async () => {
    await mesh.api.applyFiles([{ name: 'route.yaml', text: grpcRoute }]);
    await mesh.synced(5);
    await until('the route is taken', async () => (await call('Get')).fields['x-app'] === 'v2');
    for (let i = 0; i < 5; i++) {
      assert.equal((await call('Get')).fields['x-app'], 'v2');
      assert.equal((await call('List')).fields['x-app'], 'v1');
    }
    assert.equal((await viaHttp2('stock', '/shop.Stock/Get')).status, 404);
    const other = await viaHttp2('stock', '/shop.Other/Get', {
      ':method': 'POST',
      'content-type': 'application/grpc',
    });
    assert.equal(other.fields['grpc-status'], '12', 'UNIMPLEMENTED');
  });

  test('an HTTPRoute beside it is not applied and says so', async () => {
    await mesh.api.applyFiles([{ name: 'http-route.yaml', text: httpRoute }]);
    await mesh.synced(5);
    const [route] = await mesh.api.list('httproute', null);
    const accepted = route?.status?.conditions?.find(({ type }) => type === 'Accepted');
    assert.equal(accepted?.status, 'False');
    assert.match(accepted?.message ?? '', /^not applied to Service "stock"/);
    assert.equal((await call('List')).fields['x-app'], 'v1');
    await mesh.api.delete('GRPCRoute', 'default', 'stock');
    await until(
      'the HTTPRoute is applied',
      async () => (await viaHttp2('stock', '/')).body === 'plain 1.1',
    );
  });

  test('an instance that says it is not serving is left out until it is', async () => {
    await mesh.api.delete('HTTPRoute', 'default', 'stock');
    await mesh.api.applyFiles([{ name: 'health.yaml', text: healthPolicy }]);
    await mesh.synced(5);
    await until('both serve', async () => (await answering()) === 'v1,v2');
    // The policy names one method, and the probes come through all the same.
    assert.equal((await call('List')).fields['grpc-status'], '7', 'PERMISSION_DENIED');
    const ill = applications.find(({ name }) => name === 'v2');
    assert.ok(ill !== undefined);
    ill.health = NOT_SERVING;
    await until('it is left out', async () => (await answering()) === 'v1');
    ill.health = SERVING;
    await until('it is back', async () => (await answering()) === 'v1,v2');
  });

  test('no call is lost when an instance leaves', async () => {
    const leaving = await joinHttp2('stock', 'v2');
    let served = 0;
    leaving.application.server.on('request', () => {
      served++;
    });
    const statuses = new Set<unknown>();
    let [calls, running] = [0, true];
    const traffic = Promise.all(
      Array.from({ length: 10 }, async () => {
        while (running) {
          statuses.add((await call('Get')).fields['grpc-status']);
          calls++;
        }
      }),
    );
    await until('it serves', () => served > 20);
    leaving.sidecar.shutdown();
    await leaving.sidecar.finished;
    const reached = calls + 100;
    await until('traffic goes on', () => calls > reached);
    running = false;
    await traffic;
    assert.deepEqual([...statuses], ['0']);
  });

  test('an instance whose calls fail in their trailers is ejected', async () => {
    await mesh.api.applyFiles([{ name: 'health.yaml', text: ejectingPolicy }]);
    await mesh.synced(5);
    await until('both answer', async () => (await answering()) === 'v1,v2');
    const failing = applications.find(({ name }) => name === 'v2');
    assert.ok(failing !== undefined);
    failing.grpcStatus = 14; // UNAVAILABLE, behind a message
    await until('it is ejected', async () => (await answering()) === 'v1');
  });
});
