// JSON clients of a real gRPC server (grpc-js) through a whole sidecar, with the descriptor set in a file.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import type protobuf from 'protobufjs';
import { labDescriptorPath, labRoot, TRANSCODER_TYPE } from '../fakes/transcoding/lab.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const root = labRoot();

/** One method as grpc-js wants it, its messages in protobufjs's plain form. */
function method(
  name: string,
  streams: { readonly requestStream?: true; readonly responseStream?: true } = {},
): grpc.MethodDefinition<object, object> {
  const { requestType, responseType } = root.lookupService('lab.Lab').methods[name]!;
  const codec = (type: protobuf.Type) => ({
    serialize: (plain: object) => Buffer.from(type.encode(type.fromObject(plain)).finish()),
    deserialize: (bytes: Buffer) => type.toObject(type.decode(bytes), { longs: String }),
  });
  const request = codec(
    root.lookupType(requestType.includes('.') ? requestType : `lab.${requestType}`),
  );
  const response = codec(root.lookupType(`lab.${responseType}`));
  return {
    path: `/lab.Lab/${name}`,
    requestStream: streams.requestStream ?? false,
    responseStream: streams.responseStream ?? false,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
  };
}

type Plain = Readonly<Record<string, unknown>>;

const server = new grpc.Server();
server.addService(
  {
    GetShelf: method('GetShelf'),
    Up: method('Up', { requestStream: true }),
    Down: method('Down', { responseStream: true }),
  },
  {
    GetShelf: (call: grpc.ServerUnaryCall<Plain, Plain>, done: grpc.sendUnaryData<Plain>) => {
      const { shelf, tags } = call.request;
      if (shelf === '404') done({ code: grpc.status.NOT_FOUND, details: 'no such shelf' });
      else done(null, { id: shelf, tags, theme: 'x'.repeat(70_000) });
    },
    Up: (call: grpc.ServerReadableStream<Plain, Plain>, done: grpc.sendUnaryData<Plain>) => {
      const names: unknown[] = [];
      call.on('data', (message: Plain) => names.push(message['name']));
      call.on('end', () => done(null, { tags: names }));
    },
    Down: (call: grpc.ServerWritableStream<Plain, Plain>) => {
      for (let id = 0; id < 300; id++) call.write({ id });
      call.end();
    },
  },
);

let sidecar: Sidecar;
before(async () => {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const transcoder = (services: string): string =>
    `{ "@type": type.googleapis.com/${TRANSCODER_TYPE}, proto_descriptor: "${labDescriptorPath}", services: [${services}], convert_grpc_status: true }`;
  sidecar = await startSidecar(`
static_resources:
  listeners:
    - name: json
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: json
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - { match: { prefix: /shelves/off }, direct_response: { status: 204 }, typed_per_filter_config: { transcoder: ${transcoder('')} } }
                        - { match: { prefix: / }, route: { cluster: grpc } }
                http_filters:
                  - { name: transcoder, typed_config: ${transcoder('lab.Lab')} }
                  - { name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }
  clusters:
    - name: grpc
      type: STATIC
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } }
      load_assignment: { cluster_name: grpc, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }
`);
});
after(async () => {
  await sidecar.stop();
  server.forceShutdown();
});

const call = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${sidecar.port('json')}${path}`, init);

test('a unary call is a request and its JSON', async () => {
  const response = await call('/shelves/9007199254740993?tags=a&tags=b');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.deepEqual(await response.json(), {
    id: '9007199254740993',
    theme: 'x'.repeat(70_000),
    tags: ['a', 'b'],
  });
});

test('an error of the server is an HTTP status and its JSON', async () => {
  const response = await call('/shelves/404');
  assert.equal(response.status, 404);
  assert.deepEqual(await response.json(), { code: 5, message: 'no such shelf' });
});

test('streams are arrays, both ways', async () => {
  const names = Array.from({ length: 2000 }, (_, i) => `name ${i}`);
  const body = JSON.stringify(names.map((name) => ({ name })));
  const up = await call('/up', { method: 'POST', body });
  assert.deepEqual(await up.json(), { tags: names });
  const down = await call('/down/x');
  const shelves = (await down.json()) as unknown[]; // an array, or the next line fails
  assert.deepEqual([shelves.length, shelves[0], shelves[299]], [300, {}, { id: '299' }]);
});

test('a route may switch it off', async () => {
  const response = await call('/shelves/off');
  assert.equal(response.status, 204);
});

test('nothing is kept when all is over', async () => {
  for (const direction of ['request', 'response']) {
    const stat = `http.json.transcoder_${direction}_buffer_bytes`;
    assert.match(await sidecar.admin(`/stats?filter=${stat}`), new RegExp(`^${stat}: 0$`, 'm'));
  }
});
