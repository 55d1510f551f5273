// UP-14: gRPC upstreams that end calls as gRPC does not know it. The sidecar invents no status: it passes on what came,
// so that the client's library finds the same one as without a proxy, once. The call counts as failed; others go on.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { grpcFrame } from '../fakes/grpc.ts';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';

const GRPC = { ':status': 200, 'content-type': 'application/grpc' };
const { OK, UNAVAILABLE } = grpc.status;

type Answer = (stream: http2.ServerHttp2Stream) => void;

/** Head, one message, and these trailers. */
const withTrailers =
  (trailers: http2.OutgoingHttpHeaders): Answer =>
  (stream) => {
    stream.respond(GRPC, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(grpcFrame('m'));
  };

/** By the method's name. */
const answers: Readonly<Record<string, Answer>> = {
  NoTrailers: (stream) => {
    stream.respond(GRPC);
    stream.end(grpcFrame('m'));
  },
  NoStatus: withTrailers({ 'x-other': '1' }),
  BadStatus: withTrailers({ 'grpc-status': 'none' }),
  UnknownStatus: withTrailers({ 'grpc-status': '99' }),
  NoContentType: (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('hello');
  },
  Html503: (stream) => {
    stream.respond({ ':status': 503, 'content-type': 'text/html' });
    stream.end('<b>no</b>');
  },
  Reset: (stream) => {
    stream.respond(GRPC);
    stream.write(grpcFrame('m').subarray(0, 3), () => stream.close(2));
  },
};

const bytes = (value: Buffer): Buffer => value;

describe('UP-14: how gRPC calls may not end', () => {
  const upstream = http2.createServer();
  let sidecar: Sidecar;
  let client: grpc.Client;
  let direct: grpc.Client;

  before(async () => {
    upstream.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      // Unread, Node sometimes ends the answer with RST_STREAM instead of END_STREAM.
      stream.resume();
      const name = String(headers[':path']).split('/').at(-1);
      (answers[name ?? ''] ?? withTrailers({ 'grpc-status': '0' }))(stream);
    });
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const { port } = upstream.address() as AddressInfo; // it listens on TCP
    sidecar = await startSidecar(`
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: /outlier/ }, route: { cluster: outlier } }, { match: { prefix: / }, route: { cluster: upstream } }] }] }
                http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
  clusters:${cluster('upstream', port, '')}${cluster('outlier', port, OUTLIER)}`);
    client = clientOf(sidecar.port('ingress'));
    direct = clientOf(port);
  });
  after(async () => {
    client.close();
    direct.close();
    await sidecar.stop();
    upstream.close();
  });

  /** The codes of all statuses that the client's library came to: one. */
  async function call(path: string, by: grpc.Client = client): Promise<number[]> {
    const codes: number[] = [];
    await new Promise<void>((resolve) => {
      const stream = by.makeServerStreamRequest(path, bytes, bytes, Buffer.from('q'));
      stream.on('data', () => {});
      stream.on('error', () => {}); // the status says the same
      stream.on('status', ({ code }) => {
        codes.push(code);
        setImmediate(resolve);
      });
    });
    return codes;
  }

  for (const name of Object.keys(answers)) {
    test(`${name}: one status for the client, a failure for the host, and calls go on`, async () => {
      const errors = async (): Promise<number> => {
        const text = await sidecar.admin('/clusters');
        return Number(/^upstream::.*::rq_error::(\d+)$/m.exec(text)?.[1]);
      };
      const before = await errors();
      const codes = await call(`/up.Svc/${name}`);
      assert.equal(codes.length, 1);
      assert.notEqual(codes[0], OK);
      assert.deepEqual(codes, await call(`/up.Svc/${name}`, direct));
      assert.equal(await errors(), before + 1);
      assert.deepEqual(await call('/up.Svc/Good'), [OK]);
    });
  }

  test('outlier detection by trailers ejects the host, for all of them', async () => {
    for (const name of ['NoTrailers', 'BadStatus', 'NoStatus']) {
      assert.notDeepEqual(await call(`/outlier/${name}`), [OK]);
    }
    await sidecar.untilStat('cluster.outlier.outlier_detection.ejections_active', (n) => n === 1);
    assert.deepEqual(await call('/outlier/Good'), [UNAVAILABLE]);
  });
});

function clientOf(port: number): grpc.Client {
  const credentials = grpc.credentials.createInsecure();
  return new grpc.Client(`127.0.0.1:${port}`, credentials, { 'grpc.enable_retries': 0 });
}

const OUTLIER = `
      common_lb_config: { healthy_panic_threshold: { value: 0 } }
      outlier_detection: { consecutive_5xx: 3, max_ejection_percent: 100, enforcing_success_rate: 0, base_ejection_time: 600s, max_ejection_time: 600s }
      metadata: { filter_metadata: { remora.outlier_detection: { grpc_status_from_trailers: true } } }`;

function cluster(name: string, port: number, more: string): string {
  return `
    - name: ${name}
      type: STATIC
      connect_timeout: 1s${more}
      typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }
      load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }`;
}
