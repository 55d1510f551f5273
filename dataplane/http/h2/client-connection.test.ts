import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordedResponse } from '../../../test/fakes/http1.ts';
import {
  type Frame,
  FramePeer,
  frame,
  Http2ClientHarness,
  http2ClientOptions,
  parseFrames,
} from '../../../test/fakes/http2.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { StreamResetReason } from '../../api/codec.ts';
import { ConnectionCloseType } from '../../api/connection.ts';
import { RequestHeaders } from '../../api/headers.ts';
import { ErrorCode, FrameFlag, FrameType } from './frames.ts';
import { PREFACE } from './preface.ts';

const END = FrameFlag.EndStream;
const HEADERS_END = FrameFlag.EndHeaders;
const WHOLE = END | HEADERS_END;
const OK = [':status', '200'];

/** A client whose peer has sent SETTINGS; `sent` = frames since the last look. */
async function begin(
  options = http2ClientOptions(),
  settings = '',
): Promise<{ client: Http2ClientHarness; peer: FramePeer; sent: () => Promise<Frame[]> }> {
  const client = new Http2ClientHarness(options);
  const start = await client.connection.takeOutput();
  assert.equal(start.compare(PREFACE, 0, PREFACE.length, 0, PREFACE.length), 0);
  const sent = async (): Promise<Frame[]> => parseFrames(await client.connection.takeOutput());
  client.codec.onData(Buffer.concat([frame(4, 0, 0, settings), frame(4, 1, 0, '')]), false);
  await sent();
  return { client, peer: new FramePeer(), sent };
}

test('a response comes to the request that asked, in any order', async () => {
  const { client, peer } = await begin();
  const first = client.request();
  const second = client.request();
  client.codec.onData(peer.headers(3, WHOLE, [...OK, 'x', 'second']), false);
  client.codec.onData(peer.headers(1, HEADERS_END, [...OK, 'x', 'first']), false);
  client.codec.onData(frame(0, END, 1, 'body'), false);
  assert.equal(second.response.headers?.get('x'), 'second');
  assert.equal(first.response.headers?.get('x'), 'first');
  assert.equal(first.response.body, 'body');
  assert.equal(client.streamsClosed, 2);
});

test('1xx come before the response, at most 32 of them', async () => {
  const { client, peer, sent } = await begin();
  const { response } = client.request();
  for (let i = 0; i < 32; i++)
    client.codec.onData(peer.headers(1, HEADERS_END, [':status', '103']), false);
  assert.equal(response.informational.length, 32);
  client.codec.onData(peer.headers(1, HEADERS_END, [':status', '103']), false);
  assert.equal(response.resetReason, StreamResetReason.ProtocolError);
  assert.equal((await sent())[1]?.type, FrameType.RstStream);
});

test('a response to HEAD says a length and has no body', async () => {
  const { client, peer } = await begin();
  const { response } = client.request(new RequestHeaders('HEAD', '/', 'a', 'http', []));
  client.codec.onData(peer.headers(1, WHOLE, [...OK, 'content-length', '100']), false);
  assert.equal(response.isComplete, true);
});

// [what, frames]
const malformed: [string, (peer: FramePeer) => Buffer[]][] = [
  ['no :status', (peer) => [peer.headers(1, WHOLE, ['x', 'y'])]],
  ['a :path', (peer) => [peer.headers(1, WHOLE, [...OK, ':path', '/'])]],
  ['101', (peer) => [peer.headers(1, HEADERS_END, [':status', '101'])]],
  ['a status of four digits', (peer) => [peer.headers(1, WHOLE, [':status', '2000'])]],
  ['a connection header', (peer) => [peer.headers(1, WHOLE, [...OK, 'connection', 'close'])]],
  ['a body before its head', () => [frame(0, 0, 1, 'body')]],
  [
    'status 204 and a length',
    (peer) => [peer.headers(1, HEADERS_END, [':status', '204', 'content-length', '4'])],
  ],
  ['a length without a body', (peer) => [peer.headers(1, WHOLE, [...OK, 'content-length', '5'])]],
  [
    'trailers that do not end the stream',
    (peer) => [peer.headers(1, HEADERS_END, OK), peer.headers(1, HEADERS_END, ['x', 'y'])],
  ],
  [
    'a pseudo header in trailers',
    (peer) => [peer.headers(1, HEADERS_END, OK), peer.headers(1, WHOLE, [':status', '200'])],
  ],
  [
    'an informational response that ends the stream',
    (peer) => [peer.headers(1, WHOLE, [':status', '100'])],
  ],
];

for (const [what, frames] of malformed) {
  test(`a response with ${what} fails its request`, async () => {
    const { client, peer } = await begin(
      http2ClientOptions({ streamErrorOnInvalidHttpMessage: true }),
    );
    const { response } = client.request();
    const other = client.request();
    for (const bytes of frames(peer)) client.codec.onData(bytes, false);
    assert.equal(response.resetReason, StreamResetReason.ProtocolError);
    assert.equal(client.options.stats.rxMessagingError, 1);
    client.codec.onData(peer.headers(3, WHOLE, OK), false);
    assert.equal(other.response.isComplete, true, 'others go on');
  });
}

test('a body that does not fit ends its stream only, as in Envoy', async () => {
  const { client, peer, sent } = await begin();
  const long = [...OK, 'content-length', '5'];
  const bodies: [method: string, fields: string[], body: string][] = [
    ['GET', long, 'four'],
    ['GET', long, 'sixsix'],
    ['HEAD', OK, 'b'],
    ['HEAD', long, '12345'],
    ['GET', [':status', '204'], 'b'],
    ['GET', [':status', '304', 'content-length', '1'], 'b'],
  ];
  let id = 1;
  for (const [method, fields, body] of bodies) {
    const { response } = client.request(new RequestHeaders(method, '/', 'a', 'http', []));
    await sent();
    client.codec.onData(peer.headers(id, HEADERS_END, fields), false);
    client.codec.onData(frame(0, END, id, body), false);
    assert.equal(response.body, '');
    assert.equal(response.resetReason, StreamResetReason.ProtocolError, body);
    assert.equal((await sent()).at(-1)?.type, FrameType.RstStream);
    id += 2;
  }
  for (; id < 100; id += 2) {
    client.request();
    client.codec.onData(peer.headers(id, HEADERS_END, long), false);
    client.codec.onData(frame(0, END, id, ''), false);
  }
  assert.equal(client.errors.length, 0);
});

test('by default a malformed response ends the connection', async () => {
  const { client, peer } = await begin();
  const { response } = client.request();
  const other = client.request();
  client.codec.onData(peer.headers(1, WHOLE, ['x', 'y']), false);
  assert.equal(response.resetReason, StreamResetReason.ProtocolError);
  assert.equal(other.response.resetReason, StreamResetReason.ProtocolError);
  assert.equal(client.errors.length, 1);
  assert.equal(client.connection.closedBy, ConnectionCloseType.FlushWrite);
});

for (const [what, bytes] of [
  ['a stream that nobody opened', new FramePeer().headers(1, WHOLE, OK)],
  ['PUSH_PROMISE', frame(5, HEADERS_END, 1, '\0\0\0\x02')],
  ['an even stream', new FramePeer().headers(2, WHOLE, OK)],
  ['ENABLE_PUSH', frame(4, 0, 0, '\0\x02\0\0\0\x01')],
] as const) {
  test(`${what} from a server ends the connection`, async () => {
    const { client, sent } = await begin();
    client.codec.onData(bytes, false);
    const goaway = (await sent()).find(({ type }) => type === FrameType.Goaway);
    assert.equal(goaway?.payload.readUInt32BE(4), ErrorCode.ProtocolError);
    assert.equal(client.codec.canOpenStream(), false);
  });
}

test('GOAWAY refuses the streams above its last one and lets the others end', async () => {
  const { client, peer } = await begin();
  const served = client.request();
  const refused = client.request();
  client.codec.onData(frame(7, 0, 0, '\0\0\0\x01\0\0\0\0'), false);
  assert.equal(client.goAways, 1);
  assert.equal(client.codec.canOpenStream(), false);
  assert.equal(refused.response.resetReason, StreamResetReason.RemoteRefusedStreamReset);
  assert.equal(served.response.resetReason, null);
  client.codec.onData(peer.headers(1, WHOLE, OK), false);
  assert.equal(served.response.isComplete, true);
  assert.equal(client.codec.activeStreams(), 0);
});

test('the first GOAWAY of two lets all streams end', async () => {
  const { client } = await begin();
  const { response } = client.request();
  client.codec.onData(frame(7, 0, 0, '\x7f\xff\xff\xff\0\0\0\0'), false);
  assert.equal(response.resetReason, null);
  client.codec.onData(frame(7, 0, 0, '\0\0\0\0\0\0\0\0'), false);
  assert.equal(response.resetReason, StreamResetReason.RemoteRefusedStreamReset);
  assert.equal(client.goAways, 1);
});

test('a head with too many fields, or too large, ends its stream only', async () => {
  const { client, peer, sent } = await begin();
  const many = Array.from({ length: 101 }, (_, i) => [`h${i}`, 'v']).flat();
  const large = Array.from({ length: 40 }, (_, i) => [`h${i}`, 'v'.repeat(2000)]).flat();
  let id = 1;
  for (const fields of [many, large]) {
    const { response } = client.request();
    await sent();
    const block = peer.headers(id, 0, [...OK, ...fields]).subarray(9);
    const most = 16_384;
    client.codec.onData(frame(1, END, id, block.subarray(0, most).toString('latin1')), false);
    for (let at = most; at - most < block.length; at += most) {
      const isLast = at + most >= block.length;
      const piece = block.subarray(at, at + most).toString('latin1');
      client.codec.onData(frame(9, isLast ? HEADERS_END : 0, id, piece), false);
      if (isLast) break;
    }
    assert.equal(response.resetReason, StreamResetReason.RemoteReset);
    assert.equal((await sent()).at(-1)?.type, FrameType.RstStream);
    id += 2;
  }
  assert.equal(client.options.stats.headerOverflow, 2);
  assert.equal(client.errors.length, 0);
});

test('REFUSED_STREAM is told apart from other resets', async () => {
  const { client } = await begin();
  const refused = client.request();
  const reset = client.request();
  client.codec.onData(frame(3, 0, 1, '\0\0\0\x07'), false);
  client.codec.onData(frame(3, 0, 3, '\0\0\0\x02'), false);
  assert.equal(refused.response.resetReason, StreamResetReason.RemoteRefusedStreamReset);
  assert.equal(reset.response.resetReason, StreamResetReason.RemoteReset);
  assert.equal(client.options.stats.rxReset, 2);
  assert.equal(client.options.stats.streamRefusedErrors, 1);
});

test('a peer that calls a request a protocol error, or cannot connect, is told apart, too', async () => {
  const { client } = await begin();
  const { response } = client.request();
  const tunnel = client.request(new RequestHeaders('CONNECT', '', 'a:1', 'http', []), false);
  client.codec.onData(frame(3, 0, 1, '\0\0\0\x01'), false);
  client.codec.onData(frame(3, 0, 3, '\0\0\0\x0a'), false);
  assert.equal(response.resetReason, StreamResetReason.ProtocolError);
  assert.equal(tunnel.response.resetReason, StreamResetReason.ConnectError);
});

test('the peer says how many streams there may be, and changes its mind', async () => {
  const { client } = await begin(http2ClientOptions(), '\0\x03\0\0\0\x02');
  assert.equal(client.codec.maxStreams(), 2);
  client.request();
  client.request();
  assert.equal(client.codec.canOpenStream(), false);
  assert.throws(() => client.codec.newStream(new RecordedResponse()));
  client.codec.onData(frame(4, 0, 0, '\0\x03\0\0\0\x03'), false);
  assert.equal(client.codec.canOpenStream(), true);
  assert.equal(client.settings, 2);
  client.codec.onData(frame(4, 0, 0, '\0\x03\0\0\x70\0'), false);
  assert.equal(client.codec.maxStreams(), 1024, 'ours is smaller');
});

test('a window that the peer makes smaller goes below zero and is made up for', async () => {
  const { client, sent } = await begin();
  const { encoder } = client.request(new RequestHeaders('POST', '/', 'a', 'http', []), false);
  encoder.encodeData(Buffer.alloc(60_000), false);
  client.codec.onData(frame(4, 0, 0, '\0\x04\0\0\0\0'), false);
  await sent();
  encoder.encodeData(Buffer.alloc(10), true);
  assert.deepEqual(
    (await sent()).filter(({ type }) => type === FrameType.Data),
    [],
  );
  client.codec.onData(frame(8, 0, 1, '\0\0\xea\x60'), false);
  assert.deepEqual(
    (await sent()).filter(({ type }) => type === FrameType.Data),
    [],
  );
  client.codec.onData(frame(8, 0, 1, '\0\0\0\x0a'), false);
  const data = (await sent()).filter(({ type }) => type === FrameType.Data);
  assert.deepEqual(
    data.map(({ flags, payload }) => [flags, payload.length]),
    [[END, 10]],
  );
});

test('what waits for window tells its source to stop, and to go on', async () => {
  const { client } = await begin(http2ClientOptions({}, { bufferLimitBytes: 1000 }));
  let above = 0;
  const encoder = client.codec.newStream(new RecordedResponse());
  encoder.setCallbacks({
    onResetStream: () => assert.fail(),
    onAboveWriteBufferHighWatermark: () => above++,
    onBelowWriteBufferLowWatermark: () => above--,
  });
  encoder.encodeHeaders(new RequestHeaders('POST', '/', 'a', 'http', []), false);
  encoder.encodeData(Buffer.alloc(65_535 + 1000), false);
  assert.equal(above, 0);
  encoder.encodeData(Buffer.alloc(1), false);
  assert.equal(above, 1);
  client.codec.onData(frame(8, 0, 0, '\0\x10\0\0'), false);
  client.codec.onData(frame(8, 0, 1, '\0\0\x01\xf4'), false);
  assert.equal(above, 1);
  client.codec.onData(frame(8, 0, 1, '\0\0\0\x01'), false);
  assert.equal(above, 0);
});

test('what is left of a request behind its answer waits for window, but not for ever', async () => {
  const timers = new FakeTimers();
  const { client, peer, sent } = await begin(
    http2ClientOptions({}, { timers, clock: timers.clock }),
  );
  const post = (): void => {
    const { encoder } = client.request(new RequestHeaders('POST', '/', 'a', 'http', []), false);
    encoder.encodeData(Buffer.alloc(65_536), true);
  };
  post();
  timers.advance(3_600_000);
  assert.equal(client.codec.activeStreams(), 1, 'before the answer that is up to the router');
  client.codec.onData(peer.headers(1, WHOLE, OK), false);
  await sent();
  timers.advance(299_999);
  assert.equal(client.codec.activeStreams(), 1);
  timers.advance(1);
  assert.equal(client.codec.activeStreams(), 0);
  assert.equal((await sent()).at(-1)?.type, FrameType.RstStream);
  assert.equal(client.options.stats.txFlushTimeout, 1);
  assert.equal(client.options.stats.pendingSendBytes, 0);
});

function keepaliveClient(): { client: Http2ClientHarness; timers: FakeTimers } {
  const timers = new FakeTimers();
  const keepalive = {
    intervalMs: 1000,
    timeoutMs: 100,
    intervalJitterPercent: 0,
    idleIntervalMs: 0,
  };
  const client = new Http2ClientHarness(
    http2ClientOptions({ keepalive }, { timers, clock: timers.clock }),
  );
  client.codec.onData(Buffer.concat([frame(4, 0, 0, ''), frame(4, 1, 0, '')]), false);
  return { client, timers };
}

test('a PING that is not answered finds the peer dead', async () => {
  const { client, timers } = keepaliveClient();
  const { response } = client.request();
  await client.connection.takeOutput();
  timers.advance(1000);
  const [ping] = parseFrames(await client.connection.takeOutput());
  assert.equal(ping?.type, FrameType.Ping);
  timers.advance(99);
  assert.equal(client.connection.closedBy, null);
  timers.advance(1);
  assert.equal(client.connection.closedBy, ConnectionCloseType.NoFlush);
  assert.equal(client.options.stats.keepaliveTimeout, 1);
  assert.equal(response.resetReason, StreamResetReason.ConnectionTermination);
});

test('a PING that is answered comes again after the interval', async () => {
  const { client, timers } = keepaliveClient();
  await client.connection.takeOutput();
  for (let i = 0; i < 3; i++) {
    timers.advance(1000);
    const ping = parseFrames(await client.connection.takeOutput()).at(-1);
    assert.equal(ping?.type, FrameType.Ping);
    client.codec.onData(frame(6, 1, 0, ping.payload), false);
  }
  assert.equal(client.connection.closedBy, null);
});

test('any bytes after the PING prove that the peer is there', () => {
  const { client, timers } = keepaliveClient();
  timers.advance(1050);
  client.codec.onData(frame(4, 0, 0, ''), false);
  timers.advance(99);
  assert.equal(client.connection.closedBy, null);
  timers.advance(1);
  assert.equal(client.connection.closedBy, ConnectionCloseType.NoFlush);
});

test('a stream on a connection that was silent asks first whether the peer is there', async () => {
  const timers = new FakeTimers();
  const keepalive = {
    intervalMs: 0,
    timeoutMs: 100,
    intervalJitterPercent: 15,
    idleIntervalMs: 5000,
  };
  const client = new Http2ClientHarness(
    http2ClientOptions({ keepalive }, { timers, clock: timers.clock }),
  );
  client.codec.onData(Buffer.concat([frame(4, 0, 0, ''), frame(4, 1, 0, '')]), false);
  await client.connection.takeOutput();
  timers.advance(4999);
  client.request();
  assert.deepEqual(
    parseFrames(await client.connection.takeOutput()).map(({ type }) => type),
    [FrameType.Headers],
  );
  timers.advance(1);
  client.request();
  const types = parseFrames(await client.connection.takeOutput()).map(({ type }) => type);
  assert.deepEqual(types, [FrameType.Ping, FrameType.Headers]);
});
