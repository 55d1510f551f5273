// What proxies themselves say to gRPC calls, seen without a gRPC library: nobody there, time over.

import assert from 'node:assert/strict';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type HopPki, type Hops, makeHopPki, startHops, ways } from '../hops.ts';
import { skipWithout } from '../peers.ts';
import { freePort } from '../proxies.ts';

const OK_HTTP = 200;
const Status = { DeadlineExceeded: '4', Unavailable: '14' } as const;

/** Head of the answer to a call; fails when there is more than that head. */
function call(port: number, headers: http2.OutgoingHttpHeaders = {}) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.testing.TestService/EmptyCall',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.end(Buffer.alloc(5));
  return new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>(
    (resolve, reject) => {
      let bytes = 0;
      let head: http2.IncomingHttpHeaders = {};
      stream.on('error', reject);
      stream.on('response', (received) => {
        head = received;
      });
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('end', () => {
        session.close();
        if (bytes > 0) reject(new Error(`a body of ${bytes} bytes`));
        else resolve(head);
      });
    },
  );
}

describe('local replies to gRPC', { skip: skipWithout('envoy') }, () => {
  let pki: HopPki;
  let silent: http2.Http2Server;
  before(async () => {
    pki = await makeHopPki();
    silent = http2.createServer(() => {});
    silent.on('stream', (stream) => stream.on('error', () => {})); // the proxy gives up
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  after(() => silent?.close());

  for (const { name, kinds } of ways) {
    describe(`through ${name}`, () => {
      const started: Hops[] = [];
      const start = async (options: { backendPort: number; route?: object }) => {
        const hops = await startHops(pki, { kinds, ...options });
        started.push(hops);
        return hops.port;
      };
      after(async () => {
        for (const hops of started) await hops.stop();
      });

      test('nobody listens', async () => {
        const head = await call(await start({ backendPort: await freePort() }));
        assert.equal(head[':status'], OK_HTTP);
        assert.equal(head['content-type'], 'application/grpc');
        assert.equal(head['grpc-status'], Status.Unavailable);
        assert.match(String(head['grpc-message']), /upstream connect error/);
      });

      test('grpc-timeout is kept by the proxy', async () => {
        const port = await start({
          // It listens on TCP.
          backendPort: (silent.address() as AddressInfo).port,
          route: { max_stream_duration: { grpc_timeout_header_max: '0s' } },
        });
        const head = await call(port, { 'grpc-timeout': '200m' });
        assert.equal(head[':status'], OK_HTTP);
        assert.equal(head['grpc-status'], Status.DeadlineExceeded);
      });
    });
  }
});
