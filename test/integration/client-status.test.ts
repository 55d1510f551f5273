// The Client Status Discovery Service of a sidecar: over REST and over gRPC on the admin port, side by side with its pages.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type { ClientStatusRequestProto, ClientStatusResponseProto } from '../../proto/gen/types.ts';
import { type MeshSidecar, TestMesh } from './mesh.ts';

const SERVICE = '/envoy.service.status.v3.ClientStatusDiscoveryService';
const documents = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: {name: mesh}
spec: {trustDomain: a.test}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}]}
`;

const encode = (request: ClientStatusRequestProto) =>
  Buffer.from(encodeMessage('envoy.service.status.v3.ClientStatusRequest', request));
const decode = (bytes: Buffer): ClientStatusResponseProto => {
  const decoded = decodeMessage('envoy.service.status.v3.ClientStatusResponse', bytes);
  assert.ok(decoded.ok);
  return decoded.value.message;
};

describe('the client status of a sidecar', () => {
  let mesh: TestMesh;
  let sidecar: MeshSidecar;
  let client: Client;

  before(async () => {
    mesh = await TestMesh.start(documents);
    sidecar = await mesh.join('orders', '', 'orders');
    await mesh.synced(1);
    client = new Client(`127.0.0.1:${sidecar.adminPort}`, credentials.createInsecure());
  });
  after(async () => {
    client?.close();
    await mesh?.stop();
  });

  const fetchStatus = (request: ClientStatusRequestProto) =>
    new Promise<ClientStatusResponseProto>((resolve, reject) => {
      const path = `${SERVICE}/FetchClientStatus`;
      client.makeUnaryRequest(path, encode, decode, request, (error, response) => {
        if (error !== null) reject(error);
        else resolve(response!); // there is one without an error
      });
    });
  const post = async (body: string) => {
    const url = `http://127.0.0.1:${sidecar.adminPort}/v3/discovery:client_status`;
    const response = await fetch(url, { method: 'POST', body });
    return { status: response.status, text: await response.text() };
  };

  test('names every resource with its version, state and content over gRPC', async () => {
    const { config = [] } = await fetchStatus({});
    assert.equal(config.length, 1);
    assert.equal(config[0]?.node?.id, sidecar.nodeId);
    const all = config[0]?.generic_xds_configs ?? [];
    const types = new Set(all.map(({ type_url }) => type_url?.split('.').at(-1)));
    for (const type of ['Cluster', 'ClusterLoadAssignment', 'Secret', 'Listener']) {
      assert.ok(types.has(type), `${type} among ${[...types].join()}`);
    }
    for (const one of all) {
      assert.equal(one.client_status, 'ACKED', one.name);
      assert.notEqual(one.version_info, '', one.name);
      assert.equal(one.xds_config?.type_url, one.type_url);
      assert.ok((one.last_updated?.seconds ?? 0) > 0, one.name);
    }
  });

  test('says the same over REST', async () => {
    const { status: code, text } = await post('{}');
    assert.equal(code, 200);
    const { config } = JSON.parse(text) as {
      config: { generic_xds_configs: { name: string }[] }[];
    };
    const overGrpc = await fetchStatus({});
    assert.deepEqual(
      config[0]?.generic_xds_configs.map(({ name }) => name),
      overGrpc.config?.[0]?.generic_xds_configs?.map(({ name }) => name),
    );
  });

  test('shows no secret, in neither', async () => {
    const { text } = await post('{}');
    assert.match(text, /redacted/);
    assert.doesNotMatch(text, /PRIVATE KEY/);
    const bytes = encodeMessage(
      'envoy.service.status.v3.ClientStatusResponse',
      await fetchStatus({}),
    );
    assert.doesNotMatch(Buffer.from(bytes).toString('latin1'), /PRIVATE KEY/);
  });

  test('leaves contents out where nobody wants them', async () => {
    const { config } = await fetchStatus({ exclude_resource_contents: true });
    for (const one of config?.[0]?.generic_xds_configs ?? []) {
      assert.equal(one.xds_config, undefined, one.name);
    }
  });

  test('is nobody else’s', async () => {
    const other = { node_matchers: [{ node_id: { exact: 'other' } }] };
    assert.deepEqual((await fetchStatus(other)).config ?? [], []);
    const { text } = await post(JSON.stringify(other));
    assert.deepEqual(JSON.parse(text), {});
  });

  test('answers each request of a stream, and ends with it', async () => {
    const stream = client.makeBidiStreamRequest(`${SERVICE}/StreamClientStatus`, encode, decode);
    const answers: ClientStatusResponseProto[] = [];
    stream.on('data', (response: ClientStatusResponseProto) => {
      answers.push(response);
      if (answers.length === 2) stream.end();
      else stream.write({ exclude_resource_contents: true });
    });
    stream.write({});
    await new Promise((resolve) => stream.on('end', resolve));
    assert.equal(answers.length, 2);
    assert.equal(answers[1]?.config?.length, 1);
  });

  test('refuses requests that make no sense', async () => {
    assert.equal((await post('{')).status, 400);
    assert.match((await post('{"nodes": 1}')).text, /nodes/);
    const broken = { node_matchers: [{ node_id: { safe_regex: { regex: '(' } } }] };
    assert.match((await post(JSON.stringify(broken))).text, /node_matchers\[0\].node_id/);
    await assert.rejects(fetchStatus(broken), (error: ServiceError) => {
      assert.equal(error.code, status.INVALID_ARGUMENT);
      return true;
    });
    assert.equal((await post('x'.repeat(70_000))).status, 413);
  });

  test('leaves the pages as they are, however a request is cut', async () => {
    const socket = net.connect(sidecar.adminPort, '127.0.0.1');
    const request = 'GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    let answer = '';
    socket.on('data', (piece: Buffer) => {
      answer += piece.toString();
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    for (const byte of request) {
      await new Promise<void>((resolve) => socket.write(byte, () => resolve()));
    }
    await closed;
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n/);
    assert.match(answer, /LIVE/);
    assert.match(await sidecar.admin('/help'), /client_status/);
  });
});
