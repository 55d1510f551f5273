// gRPC where it is large: messages of 64 MiB beside a reader that stops, a thousand calls at once on one connection.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { until } from '../../fakes/until.ts';
import { type HopPki, type Hops, makeHopPki, startHops, ways } from '../hops.ts';
import { skipWithout } from '../peers.ts';
import { JsClient } from './js-client.ts';
import { HOLD, type JsServer, startJsServer } from './js-server.ts';
import { type OutputResponse, payload } from './testing-service.ts';

const MIB = 1024 * 1024;
const MESSAGE_BYTES = 64 * MIB;
const CALLS = 1000;
/** A stream's window is 16 MiB, a connection's 24; both kinds of proxy hold some copies on the way. */
const MOST_HELD_MIB = 64;

function rssMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

describe('large gRPC', { skip: skipWithout('envoy') }, () => {
  let pki: HopPki;
  before(async () => {
    pki = await makeHopPki();
  });

  for (const { name, kinds } of ways) {
    describe(`through ${name}`, () => {
      let server: JsServer;
      let hops: Hops;
      let client: JsClient;
      before(async () => {
        server = await startJsServer();
        hops = await startHops(pki, { kinds, backendPort: server.port });
        client = new JsClient(hops.port);
      });
      after(async () => {
        client?.close();
        await hops?.stop();
        server?.stop();
      });

      test('a message of 64 MiB each way', async () => {
        const { messages, status } = await client.unary({
          response_size: MESSAGE_BYTES,
          payload: payload(MESSAGE_BYTES),
        });
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.equal(messages[0]?.payload?.body.length, MESSAGE_BYTES);
      });

      test('a client that does not read makes the server wait, not the proxy hold it all', async () => {
        await client.unary({ response_size: MIB });
        const pauses = async () => {
          const stats = await hops.proxies[0]!.admin(
            '/stats?filter=upstream_flow_control_paused_reading_total',
          );
          return Number(/paused_reading_total: (\d+)/.exec(stats)?.[1]);
        };
        const [pausesBefore, rssBefore] = [await pauses(), hops.proxies.map((p) => rssMib(p.pid))];
        const call = client.startOutput({
          response_parameters: Array.from({ length: 3 }, () => ({ size: MESSAGE_BYTES })),
        });
        const ended = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
        const sizes: number[] = [];
        call.on('data', (message: OutputResponse) => {
          sizes.push(message.payload?.body.length ?? 0);
          call.pause();
        });
        await until('the first message is here', () => sizes.length === 1);
        await until('the proxy stops reading', async () => (await pauses()) > pausesBefore);
        for (const [i, { pid }] of hops.proxies.entries()) {
          const more = rssMib(pid) - rssBefore[i]!;
          assert.ok(more < MOST_HELD_MIB, `hop ${i} grew by ${more.toFixed(0)} MiB`);
        }
        call.resume();
        await until('the second is here', () => sizes.length === 2);
        call.resume();
        const { code, details } = await ended;
        assert.equal(code, grpc.status.OK, details);
        assert.deepEqual(sizes, [MESSAGE_BYTES, MESSAGE_BYTES, MESSAGE_BYTES]);
      });

      test('a thousand calls at once, each answered', async () => {
        const metadata = new grpc.Metadata();
        metadata.add(HOLD, '1');
        const calls = Array.from({ length: CALLS }, (_, i) =>
          client.unary({ response_size: i, payload: payload(100) }, metadata),
        );
        await until('the server has them all', () => server.held() === CALLS);
        server.release();
        for (const [i, { messages, status }] of (await Promise.all(calls)).entries()) {
          assert.equal(status.code, grpc.status.OK, status.details);
          assert.equal(messages[0]?.payload?.body.length, i);
        }
      });
    });
  }
});
