// grpc-js on both ends: every shape of call, metadata, statuses, deadlines and cancelling.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { until } from '../../fakes/until.ts';
import { forms, type HopPki, type Hops, makeHopPki, SERVER_NAME, startHops } from '../hops.ts';
import { skipWithout } from '../peers.ts';
import { JsClient } from './js-client.ts';
import { ECHO_INITIAL, ECHO_TRAILING, HOLD, type JsServer, startJsServer } from './js-server.ts';
import { payload } from './testing-service.ts';

const LAST_STATUS_CODE = 16;

function metadata(entries: readonly (readonly [string, string | Buffer])[]): grpc.Metadata {
  const made = new grpc.Metadata();
  for (const [name, value] of entries) made.add(name, value);
  return made;
}

describe('grpc-js', { skip: skipWithout('envoy') }, () => {
  let pki: HopPki;
  before(async () => {
    pki = await makeHopPki();
  });

  for (const { name, kinds, isTls } of forms) {
    describe(`through ${name}`, () => {
      let server: JsServer;
      let hops: Hops;
      let client: JsClient;
      before(async () => {
        const { leaf, caPem } = pki;
        const pair = {
          private_key: Buffer.from(leaf.privateKeyPem),
          cert_chain: Buffer.from(leaf.certificatePem),
        };
        server = await startJsServer(isTls ? grpc.ServerCredentials.createSsl(null, [pair]) : null);
        hops = await startHops(pki, { kinds, backendPort: server.port, isTls });
        client = isTls
          ? new JsClient(hops.port, grpc.credentials.createSsl(Buffer.from(caPem)), {
              'grpc.ssl_target_name_override': SERVER_NAME,
            })
          : new JsClient(hops.port);
      });
      after(async () => {
        client?.close();
        await hops?.stop();
        server?.stop();
      });

      test('a unary call of some hundred kilobytes each way', async () => {
        const { messages, status } = await client.unary({
          response_size: 314_159,
          payload: payload(271_828),
        });
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.equal(messages[0]?.payload?.body.length, 314_159);
      });

      test('client streaming', async () => {
        const sizes = [27_182, 8, 1828, 45_904];
        const requests = sizes.map((size) => ({ payload: payload(size) }));
        const { messages, status } = await client.input(requests);
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.equal(messages[0]?.aggregated_payload_size, 74_922);
      });

      test('server streaming', async () => {
        const sizes = [31_415, 9, 2653, 58_979, 0];
        const { messages, status } = await client.output({
          response_parameters: sizes.map((size) => ({ size })),
        });
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.deepEqual(
          messages.map((message) => message.payload?.body.length),
          sizes,
        );
      });

      test('bidirectional streaming, each message after the answers to the one before', async () => {
        const requests = [1, 2, 3, 10].map((count) => ({
          response_parameters: Array.from({ length: count }, () => ({ size: 1000 * count })),
          payload: payload(500),
        }));
        const { messages, status } = await client.pingPong(requests);
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.equal(messages.length, 16);
      });

      test('a bidirectional stream without any message', async () => {
        const { messages, status } = await client.pingPong([]);
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.equal(messages.length, 0);
      });

      test('metadata comes back first and last, several values and bytes that are not text', async () => {
        const bytes = Buffer.from([0, 1, 0x2c, 0x80, 0xff, 0x0a]);
        const { initial, status } = await client.unary(
          { response_size: 1 },
          metadata([
            [ECHO_INITIAL, 'one'],
            [ECHO_INITIAL, 'two'],
            [ECHO_TRAILING, bytes],
            [ECHO_TRAILING, Buffer.alloc(0)],
            [ECHO_TRAILING, Buffer.alloc(300, 0xfe)],
          ]),
        );
        assert.equal(status.code, grpc.status.OK, status.details);
        assert.deepEqual(initial.get(ECHO_INITIAL).join(', '), 'one, two');
        const [first, second, third] = status.metadata.get(ECHO_TRAILING);
        assert.deepEqual(first, bytes);
        assert.equal(second?.length, 0);
        assert.deepEqual(third, Buffer.alloc(300, 0xfe));
      });

      test('each status code, trailers-only, with a message that is not ASCII', async () => {
        for (let code = 1; code <= LAST_STATUS_CODE; code++) {
          const message = `code ${code}\t\n\u00e4\u2603 %20`;
          const { messages, initial, status } = await client.unary(
            { response_status: { code, message } },
            metadata([[ECHO_TRAILING, Buffer.from([code])]]),
          );
          assert.equal(status.code, code);
          assert.equal(status.details, message);
          assert.equal(messages.length, 0);
          assert.deepEqual(initial.get(ECHO_INITIAL), []);
          assert.deepEqual(status.metadata.get(ECHO_TRAILING), [Buffer.from([code])]);
        }
      });

      test('a status after messages', async () => {
        const { messages, status } = await client.output({
          response_parameters: [{ size: 10 }, { size: 20 }],
          response_status: { code: grpc.status.DATA_LOSS, message: 'half' },
        });
        assert.equal(messages.length, 2);
        assert.equal(status.code, grpc.status.DATA_LOSS);
        assert.equal(status.details, 'half');
      });

      test('an unknown method', async () => {
        const { status } = await client.unknownMethod();
        assert.equal(status.code, grpc.status.UNIMPLEMENTED);
      });

      test('a deadline ends the call on both ends', async () => {
        const before = server.cancelled();
        const { status } = await client.unary({}, metadata([[HOLD, '1']]), {
          deadline: Date.now() + 300,
        });
        assert.equal(status.code, grpc.status.DEADLINE_EXCEEDED);
        await until('the server sees it', () => server.cancelled() === before + 1);
      });

      test('cancelling a unary call reaches the server', async () => {
        const [cancelled, held] = [server.cancelled(), server.held()];
        const { call, done } = client.startUnary({}, metadata([[HOLD, '1']]));
        await until('the server has it', () => server.held() === held + 1);
        call.cancel();
        assert.equal((await done).status.code, grpc.status.CANCELLED);
        await until('the server sees it', () => server.cancelled() === cancelled + 1);
      });

      test('cancelling a stream after its first message reaches the server', async () => {
        const cancelled = server.cancelled();
        const call = client.startDuplex();
        const ended = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
        call.on('error', () => {}); // the status says the same
        call.on('data', () => call.cancel());
        call.write({ response_parameters: [{ size: 1000 }] });
        assert.equal((await ended).code, grpc.status.CANCELLED);
        await until('the server sees it', () => server.cancelled() === cancelled + 1);
      });

      test('calls to a server that is gone fail as unavailable', async () => {
        server.stop();
        const { status } = await client.unary({});
        assert.equal(status.code, grpc.status.UNAVAILABLE, status.details);
      });
    });
  }
});
