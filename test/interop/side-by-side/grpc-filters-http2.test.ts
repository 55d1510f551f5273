// The gRPC filters between Envoy's and our HTTP/2: a real gRPC server (grpc-js) behind both proxies, gRPC-Web and
// bridged clients over HTTP/1.1 and gRPC-Web over HTTP/2 in front. What the client gets and what is counted must be
// the same. Over HTTP/1.1 alone, with every odd byte, the filters are compared in grpc.test.ts.

import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { frameHeader } from '../../../dataplane/extensions/_shared/grpc/frame-scanner.ts';
import { type JsServer, startJsServer } from '../grpc/js-server.ts';
import { type SimpleRequest, service } from '../grpc/testing-service.ts';
import { skipWithout } from '../peers.ts';
import { type ProxyKind, startVariants, type Variant, type VariantProxies } from './variants.ts';

const filters = 'type.googleapis.com/envoy.extensions.filters.http';
const filter = (name: string, type: string, fields = ''): string =>
  `{ name: envoy.filters.http.${name}, typed_config: { "@type": ${filters}.${name}.v3.${type}${fields} } }`;
const STATS = filter(
  'grpc_stats',
  'FilterConfig',
  ', stats_for_all_methods: true, enable_upstream_stats: true',
);

const routeConfig =
  '{ name: r, virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: js } }] }] }';
const variants: readonly Variant[] = [
  { name: 'web', hcm: '', routeConfig, filters: [filter('grpc_web', 'GrpcWeb'), STATS] },
  {
    name: 'bridge',
    hcm: '',
    routeConfig,
    filters: [filter('grpc_http1_bridge', 'Config', ', upgrade_protobuf_to_grpc: true'), STATS],
  },
];

const { UnaryCall, StreamingOutputCall } = service;
const packed = (message: Buffer): Buffer =>
  Buffer.concat([frameHeader(0, message.length), message]);
const unary = (request: SimpleRequest): Buffer => UnaryCall.requestSerialize(request);
const TEN = unary({ response_size: 10 });
const FAILURE = unary({ response_status: { code: 7, message: 'no, Größe' } });
const STREAM = StreamingOutputCall.requestSerialize({
  response_parameters: [{ size: 3 }, { size: 0 }, { size: 70_000 }],
});

interface Call {
  readonly name: string;
  readonly variant: string;
  readonly method: { readonly path: string };
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** differences.md: **Protobuf upgraded to gRPC** over HTTP/2 is another thing to Envoy. */
  readonly isHttp1Only?: boolean;
}

const web = (suffix: string): Readonly<Record<string, string>> => ({
  'content-type': `application/grpc-web${suffix}`,
  accept: `application/grpc-web${suffix}`,
});
const text = (bytes: Buffer): Buffer => Buffer.from(bytes.toString('base64'));
const GRPC = { 'content-type': 'application/grpc', te: 'trailers' };
const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const none = { path: '/grpc.testing.TestService/None' };

const calls: readonly Call[] = [
  ...(
    [
      ['a call', UnaryCall, TEN],
      ['a failed call', UnaryCall, FAILURE],
      ['a stream', StreamingOutputCall, STREAM],
      ['an unknown method', none, TEN],
    ] as const
  ).flatMap(([name, method, message]): Call[] => [
    {
      name: `binary: ${name}`,
      variant: 'web',
      method,
      headers: web('+proto'),
      body: packed(message),
    },
    {
      name: `text: ${name}`,
      variant: 'web',
      method,
      headers: web('-text'),
      body: text(packed(message)),
    },
    { name: `gRPC: ${name}`, variant: 'bridge', method, headers: GRPC, body: packed(message) },
    {
      name: `protobuf: ${name}`,
      variant: 'bridge',
      method,
      headers: PROTOBUF,
      body: message,
      isHttp1Only: true,
    },
  ]),
];

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, unknown>>;
}

/** Whose values differ from run to run, or say over which protocol they came. */
const GENERATED = new Set(['date', 'x-envoy-upstream-service-time', 'connection', 'keep-alive']);

function answerOf(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  chunks: readonly Buffer[],
  trailers: Readonly<Record<string, unknown>>,
): Answer {
  const kept = Object.entries(headers).filter(
    ([name]) => !GENERATED.has(name) && name !== ':status',
  );
  const body = Buffer.concat(chunks).toString('latin1');
  return { status, headers: Object.fromEntries(kept.sort()), body, trailers: { ...trailers } };
}

function callHttp1(port: number, { method, headers, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', method: 'POST', path: method.path, headers };
    const request = http.request({ ...options, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve(answerOf(response.statusCode ?? 0, response.headers, chunks, response.trailers)),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

function callHttp2(port: number, { method, headers, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': method.path, ...headers });
    const chunks: Buffer[] = [];
    let head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('response', (received) => {
      head = received;
    });
    stream.on('trailers', (received) => {
      trailers = received;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      session.close();
      resolve(answerOf(head[':status'] ?? 0, head, chunks, trailers));
    });
    stream.end(body);
  });
}

describe('gRPC filters over HTTP/2, side by side with Envoy', {
  skip: skipWithout('envoy'),
}, () => {
  let server: JsServer;
  let proxies: VariantProxies;

  before(async () => {
    server = await startJsServer();
    const cluster = `
    - name: js
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }
      load_assignment: { cluster_name: js, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${server.port} } } } }] }] }`;
    proxies = await startVariants(variants, server.port, cluster);
  });
  after(async () => {
    server.stop();
    await proxies.stop();
  });

  for (const call of calls) {
    const observe = async (kind: ProxyKind) => ({
      http1: await callHttp1(proxies.port(kind, call.variant), call),
      http2:
        call.isHttp1Only === true ? null : await callHttp2(proxies.port(kind, call.variant), call),
    });
    test(call.name, async () => {
      const envoy = await observe('envoy');
      assert.notEqual(envoy.http1.status, 0);
      assert.deepEqual(await observe('remora'), envoy);
    });
  }

  test('the stats are the same, times included', async () => {
    const counted = async (kind: ProxyKind) => {
      const all = await proxies.admin(kind, '/stats?filter=^cluster.js.grpc');
      return all
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.replace(/(upstream_rq_time): .*/, '$1'))
        .sort();
    };
    const envoy = await counted('envoy');
    assert.ok(envoy.length > 20);
    assert.deepEqual(await counted('remora'), envoy);
  });
});
