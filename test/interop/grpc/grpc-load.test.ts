// gRPC where it is large: messages of 64 MiB beside readers that stop, a thousand calls at once on one connection.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { until as untilWithin } from '../../fakes/until.ts';
import { type HopPki, type Hops, makeHopPki, startHops, ways } from '../hops.ts';
import { skipWithout } from '../peers.ts';
import { JsClient } from './js-client.ts';
import { HOLD, type JsServer, startJsServer } from './js-server.ts';
import { type OutputResponse, payload } from './testing-service.ts';

const MIB = 1024 * 1024;
const MESSAGE_BYTES = 64 * MIB;
const CALLS = 1000;
const MESSAGES = 4;
/**
 * Of the 192 MiB or more that wait: a stream's window is 16 MiB, a connection's 24; the rest is room for copies on
 * the way and for garbage.
 */
const MOST_HELD_MIB = 96;
/** 64 MiB take a while on a busy machine. */
const until = (what: string, condition: () => boolean | Promise<boolean>) =>
  untilWithin(what, condition, 60_000);
/** Mixed pairs say nothing new here, and these tests are the longest. */
const pureWays = ways.filter(({ kinds }) => new Set(kinds).size === 1);

function rssMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

describe('large gRPC', { skip: skipWithout('envoy') }, () => {
  let pki: HopPki;
  before(async () => {
    pki = await makeHopPki();
  });

  for (const { name, kinds } of pureWays) {
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

      /** How often the first hop stopped reading from that side, as the other did not take it. */
      const pauses = async (from: 'upstream' | 'downstream') => {
        const name = `${from}_flow_control_paused_reading_total`;
        const stats = await hops.proxies[0]!.admin(`/stats?filter=${name}`);
        const counts = [...stats.matchAll(/paused_reading_total: (\d+)/g)];
        return counts.reduce((sum, count) => sum + Number(count[1]), 0);
      };
      const rssOf = () => hops.proxies.map(({ pid }) => rssMib(pid));
      const assertHeldLittle = (before: readonly number[]) => {
        for (const [i, now] of rssOf().entries()) {
          const more = now - before[i]!;
          assert.ok(more < MOST_HELD_MIB, `hop ${i} grew by ${more.toFixed(0)} MiB`);
        }
      };

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
        const [pausesBefore, rssBefore] = [await pauses('upstream'), rssOf()];
        const call = client.startOutput({
          response_parameters: Array.from({ length: MESSAGES }, () => ({ size: MESSAGE_BYTES })),
        });
        const ended = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
        const sizes: number[] = [];
        call.on('data', (message: OutputResponse) => {
          sizes.push(message.payload?.body.length ?? 0);
          call.pause();
        });
        await until('the first message is here', () => sizes.length === 1);
        await until(
          'the proxy stops reading',
          async () => (await pauses('upstream')) > pausesBefore,
        );
        assertHeldLittle(rssBefore);
        for (let read = 2; read <= MESSAGES; read++) {
          call.resume();
          await until(`message ${read} is here`, () => sizes.length === read);
        }
        call.resume();
        const { code, details } = await ended;
        assert.equal(code, grpc.status.OK, details);
        assert.deepEqual(
          sizes,
          sizes.map(() => MESSAGE_BYTES),
        );
      });

      test('a server that does not read makes the client wait', async () => {
        const metadata = new grpc.Metadata();
        metadata.add(HOLD, '1');
        const [pausesBefore, rssBefore] = [await pauses('downstream'), rssOf()];
        const requests = Array.from({ length: MESSAGES }, () => ({
          payload: payload(MESSAGE_BYTES),
        }));
        const done = client.input(requests, metadata);
        await until(
          'the proxy stops reading',
          async () => (await pauses('downstream')) > pausesBefore,
        );
        assertHeldLittle(rssBefore);
        server.release();
        const { messages, status } = await done;
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.equal(messages[0]?.aggregated_payload_size, MESSAGES * MESSAGE_BYTES);
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
