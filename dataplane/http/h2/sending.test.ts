import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordedResponse } from '../../../test/fakes/http1.ts';
import {
  type Frame,
  frame,
  Http2ClientHarness,
  http2ClientOptions,
  parseFrames,
} from '../../../test/fakes/http2.ts';
import { StreamResetReason } from '../../api/codec.ts';
import { RequestHeaders } from '../../api/headers.ts';

/** A client whose peer has sent `settings`; `sent` = frames since the last look. */
async function begin(
  settings = '',
): Promise<{ client: Http2ClientHarness; sent: () => Promise<Frame[]> }> {
  const client = new Http2ClientHarness(http2ClientOptions());
  await client.connection.takeOutput();
  client.codec.onData(Buffer.concat([frame(4, 0, 0, settings), frame(4, 1, 0, '')]), false);
  const sent = async (): Promise<Frame[]> => parseFrames(await client.connection.takeOutput());
  await sent();
  return { client, sent };
}

function post(): RequestHeaders {
  return new RequestHeaders('POST', '/', 'a', 'http', []);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

test('bodies take turns however little the window of the connection grows at a time', async () => {
  const { client, sent } = await begin();
  const { encoder } = client.request(post(), false);
  encoder.encodeData(Buffer.alloc(65_535), false);
  const waiting = [0, 1, 2].map(() => client.request(post(), false).encoder);
  for (const other of waiting) other.encodeData(Buffer.alloc(60_000), true);
  await sent();
  const bytes = new Map<number, number>();
  for (let i = 0; i < 6; i++) {
    client.codec.onData(frame(8, 0, 0, u32(16_384)), false);
    for (const { id, payload } of await sent()) {
      bytes.set(id, (bytes.get(id) ?? 0) + payload.length);
    }
  }
  assert.deepEqual([...bytes].sort(), [
    [3, 32_768],
    [5, 32_768],
    [7, 32_768],
  ]);
});

test('a connection that breaks while a body is written leaves nothing behind', async () => {
  const { client } = await begin('\0\x04\0\x10\0\0');
  client.codec.onData(frame(8, 0, 0, u32(100_000)), false);
  const { encoder, response } = client.request(post(), false);
  const { connection } = client;
  const write = connection.write.bind(connection);
  connection.write = (data) => {
    if (data.length > 2048) connection.remoteClose();
    else write(data);
  };
  encoder.encodeData(Buffer.alloc(500_000), true);
  assert.equal(response.resetReason, StreamResetReason.ConnectionTermination);
  assert.equal(client.options.stats.pendingSendBytes, 0);
  assert.equal(client.options.stats.streamsActive, 0);
});

test('a request that ends before its head was written is not spoken of', async () => {
  const { client, sent } = await begin();
  const response = new RecordedResponse();
  client.codec.newStream(response).resetStream(StreamResetReason.LocalReset);
  assert.deepEqual(await sent(), []);
  assert.equal(client.codec.activeStreams(), 0);
  assert.equal(client.options.stats.txReset, 0);
});

test('what is written within one turn is no flood when the peer takes it', async () => {
  const { client, sent } = await begin();
  const { connection } = client;
  const write = connection.write.bind(connection);
  connection.write = (data) => {
    write(data);
    connection.bufferedBytes += data.length;
    process.nextTick(() => {
      connection.bufferedBytes -= data.length;
    });
  };
  const { encoder } = client.request(post(), false);
  for (let i = 0; i < 12_000; i++) encoder.encodeData(Buffer.from('x'), false);
  assert.equal((await sent()).length, 12_001);
  assert.deepEqual(client.errors, []);
  assert.equal(client.options.stats.outboundFlood, 0);
});

test('what the peer does not take is a flood', async () => {
  const { client, sent } = await begin();
  client.connection.bufferedBytes = 1_000_000;
  const { encoder } = client.request(post(), false);
  for (let i = 0; i < 12_000; i++) encoder.encodeData(Buffer.from('x'), false);
  await sent();
  assert.equal(client.errors[0]?.details, 'http2.outbound_frames_flood');
  assert.equal(client.options.stats.outboundFlood, 1);
});

test('resets of all streams at once cost the other streams of a connection nothing', async () => {
  const { client, sent } = await begin();
  const requests = Array.from({ length: 1010 }, () => client.request(post(), false));
  await sent();
  for (const { encoder } of requests) encoder.resetStream(StreamResetReason.LocalReset);
  assert.equal((await sent()).length, 1010);
  assert.deepEqual(client.errors, []);
  assert.equal(client.options.stats.outboundControlFlood, 0);
});
