import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLIENT_START,
  type Frame,
  FramePeer,
  frame,
  GET,
  Http2ServerHarness,
  http2ServerOptions,
  parseFrames,
} from '../../../test/fakes/http2.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { StreamResetReason } from '../../api/codec.ts';
import { ConnectionCloseType } from '../../api/connection.ts';
import { ResponseHeaders } from '../../api/headers.ts';
import { ErrorCode, FrameFlag, FrameType } from './frames.ts';

const END = FrameFlag.EndStream;
const HEADERS_END = FrameFlag.EndHeaders;
const WHOLE = END | HEADERS_END;

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A server that has seen the preface; `sent` = frames since the last look. */
async function begin(
  options = http2ServerOptions(),
): Promise<{ server: Http2ServerHarness; peer: FramePeer; sent: () => Promise<Frame[]> }> {
  const server = new Http2ServerHarness(options);
  const sent = async (): Promise<Frame[]> => parseFrames(await server.connection.takeOutput());
  server.codec.dispatch(CLIENT_START, false);
  await sent();
  return { server, peer: new FramePeer(), sent };
}

async function goawayCode(sent: () => Promise<Frame[]>): Promise<number> {
  const goaway = (await sent()).find(({ type }) => type === FrameType.Goaway);
  return goaway === undefined ? -1 : goaway.payload.readUInt32BE(4);
}

test('the first frames are SETTINGS as Envoy sends them, and the window of the connection', async () => {
  const server = new Http2ServerHarness();
  const [settings, windowUpdate] = parseFrames(await server.connection.takeOutput());
  assert.equal(
    settings?.payload.toString('hex'),
    '000100001000' + '000800000000' + '000300000400' + '000401000000',
  );
  assert.equal(windowUpdate?.payload.readUInt32BE(0), 24 * 1024 * 1024 - 65_535);
});

// [what, frames behind the preface, GOAWAY's code]
const connectionErrors: [string, (peer: FramePeer) => Buffer[], number][] = [
  [
    'H2-24 a frame above 16,384 bytes',
    () => [frame(0, 0, 1, Buffer.alloc(16_385))],
    ErrorCode.FrameSizeError,
  ],
  ['H2-24 DATA on stream 0', () => [frame(0, 0, 0, 'x')], ErrorCode.ProtocolError],
  ['H2-24 an even stream id', (peer) => [peer.headers(2, WHOLE, GET)], ErrorCode.ProtocolError],
  ['H2-24 PUSH_PROMISE', () => [frame(5, 4, 1, '\0\0\0\x02')], ErrorCode.ProtocolError],
  [
    'H2-24 a lower stream id again',
    (peer) => [peer.headers(3, WHOLE, GET), peer.headers(1, WHOLE, GET)],
    ErrorCode.StreamClosed,
  ],
  [
    'H2-23 INITIAL_WINDOW_SIZE 2^31',
    () => [frame(4, 0, 0, '\0\x04\x80\0\0\0')],
    ErrorCode.FlowControlError,
  ],
  ['H2-23 MAX_FRAME_SIZE 100', () => [frame(4, 0, 0, '\0\x05\0\0\0\x64')], ErrorCode.ProtocolError],
  ['H2-23 ENABLE_PUSH 2', () => [frame(4, 0, 0, '\0\x02\0\0\0\x02')], ErrorCode.ProtocolError],
  ['SETTINGS of 5 bytes', () => [frame(4, 0, 0, '12345')], ErrorCode.FrameSizeError],
  ['SETTINGS ACK with a payload', () => [frame(4, 1, 0, '123456')], ErrorCode.FrameSizeError],
  ['PING of 7 bytes', () => [frame(6, 0, 0, '1234567')], ErrorCode.FrameSizeError],
  ['WINDOW_UPDATE of 0', () => [frame(8, 0, 0, '\0\0\0\0')], ErrorCode.ProtocolError],
  [
    'H2-22 a window above 2^31-1',
    () => [frame(8, 0, 0, '\x7f\xff\xff\xff')],
    ErrorCode.FlowControlError,
  ],
  ['RST_STREAM on an idle stream', () => [frame(3, 0, 7, '\0\0\0\0')], ErrorCode.ProtocolError],
  ['CONTINUATION without HEADERS', () => [frame(9, 4, 1, '')], ErrorCode.ProtocolError],
  [
    'another frame within a header block',
    (peer) => [peer.headers(1, END, GET), frame(6, 0, 0, '12345678')],
    ErrorCode.ProtocolError,
  ],
  [
    'padding longer than its frame',
    () => [frame(1, WHOLE | 8, 1, '\x05ab')],
    ErrorCode.ProtocolError,
  ],
  ['H2-15 index 0', () => [frame(1, WHOLE, 1, '\x80')], ErrorCode.CompressionError],
  [
    'H2-15 a table above the limit',
    () => [frame(1, WHOLE, 1, '\x3f\xe2\x1f')],
    ErrorCode.CompressionError,
  ],
  [
    'H2-17 DATA after END_STREAM',
    (peer) => [peer.headers(1, WHOLE, GET), frame(0, 0, 1, 'x')],
    ErrorCode.StreamClosed,
  ],
  [
    'H2-17 HEADERS after END_STREAM',
    (peer) => [peer.headers(1, WHOLE, GET), peer.headers(1, WHOLE, GET)],
    ErrorCode.StreamClosed,
  ],
  ['H2-17 PRIORITY of 4 bytes', () => [frame(2, 0, 1, '1234')], ErrorCode.FrameSizeError],
  ['H2-17 PRIORITY on itself', () => [frame(2, 0, 1, '\0\0\0\x01\0')], ErrorCode.ProtocolError],
];

for (const [what, frames, code] of connectionErrors) {
  test(`${what} ends the connection`, async () => {
    const { server, peer, sent } = await begin();
    server.codec.dispatch(Buffer.concat(frames(peer)), false);
    assert.equal(await goawayCode(sent), code);
    assert.notEqual(server.brokenBy, '');
    assert.equal(server.wasFlood, false);
    assert.equal(server.connection.closedBy, ConnectionCloseType.FlushWriteAndDelay);
  });
}

test('bytes that are no preface end the connection', async () => {
  const server = new Http2ServerHarness();
  server.codec.dispatch(Buffer.from('GET / HTTP/1.1\r\n\r\n'), false);
  assert.equal(server.brokenBy, 'http2.bad_preface');
});

// [what, [name, value, ...]]
const malformed: [string, string[]][] = [
  ['H2-01 CR in a value', [...GET, 'x', 'a\rb']],
  ['H2-01 NUL in a value', [...GET, 'x', 'a\0b']],
  ['H2-02 a colon in a name', [...GET, 'x:y', '1']],
  ['H2-02 an empty name', [...GET, '', '1']],
  ['H2-03 an upper-case name', [...GET, 'X-Upper', '1']],
  ['H2-04 a path with outer spaces', [...GET.slice(0, 7), ' /']],
  ['H2-05 te: gzip', [...GET, 'te', 'gzip']],
  ['H2-05 transfer-encoding', [...GET, 'transfer-encoding', 'chunked']],
  ['H2-05 connection', [...GET, 'connection', 'close']],
  ['H2-05 upgrade', [...GET, 'upgrade', 'x']],
  ['H2-05 keep-alive', [...GET, 'keep-alive', '1']],
  ['H2-07 a path with a space', [...GET.slice(0, 7), '/a b']],
  ['H2-07 a path without slash', [...GET.slice(0, 7), 'a']],
  ['H2-07 an empty path', [...GET.slice(0, 7), '']],
  ['H2-07 no path', GET.slice(0, 6)],
  ['H2-07 two paths', [...GET, ':path', '/']],
  ['H2-08 a method that is a request line', [':method', 'GET /x HTTP/1.1', ...GET.slice(2)]],
  ['H2-08 a scheme that is a URL', [...GET.slice(0, 3), 'http://evil/', ...GET.slice(4)]],
  ['H2-10 user information', [...GET.slice(0, 5), 'u@a', ...GET.slice(6)]],
  ['H2-11 an unknown pseudo header', [...GET, ':x', '1']],
  ['H2-11 a pseudo header after a field', [...GET.slice(0, 6), 'x', '1', ':path', '/']],
  ['H2-11 :status in a request', [...GET, ':status', '200']],
  ['H2-11 CONNECT with :path', [':method', 'CONNECT', ...GET.slice(2)]],
  [':protocol where it is not allowed', [':method', 'CONNECT', ...GET.slice(2), ':protocol', 'x']],
  ['two different content-lengths', [...GET, 'content-length', '1', 'content-length', '2']],
  ['a content-length that is no number', [...GET, 'content-length', '1x']],
  ['two hosts', [...GET, 'host', 'a', 'host', 'a']],
];

for (const [what, fields] of malformed) {
  test(`${what} ends the connection, or the stream alone where configured`, async () => {
    const strict = await begin();
    strict.server.codec.dispatch(strict.peer.headers(1, WHOLE, fields), false);
    assert.equal(await goawayCode(strict.sent), ErrorCode.ProtocolError);
    assert.equal(strict.server.options.stats.rxMessagingError, 1);

    const { server, peer, sent } = await begin(
      http2ServerOptions({ streamErrorOnInvalidHttpMessage: true }),
    );
    server.codec.dispatch(peer.headers(1, WHOLE, fields), false);
    server.codec.dispatch(peer.headers(3, WHOLE, GET), false);
    const [reset] = await sent();
    assert.equal(reset?.type, FrameType.RstStream);
    assert.equal(reset.payload.readUInt32BE(0), ErrorCode.ProtocolError);
    assert.equal(server.requests[0]?.headers, null, 'nobody saw it but the log');
    assert.equal(server.requests[0]?.resetReason, StreamResetReason.ProtocolError);
    assert.equal(server.requests[1]?.isComplete, true, 'others go on');
  });
}

test('H2-06 a body that does not match its content-length is malformed', async () => {
  for (const [length, data] of [
    ['0', 'hello'],
    ['10', 'hello'],
    ['4', 'hello'],
  ] as const) {
    const { server, peer, sent } = await begin();
    const post = [':method', 'POST', ...GET.slice(2), 'content-length', length];
    server.codec.dispatch(peer.headers(1, HEADERS_END, post), false);
    server.codec.dispatch(frame(0, END, 1, data), false);
    assert.equal(await goawayCode(sent), ErrorCode.ProtocolError);
    assert.equal(server.requests[0]!.resetReason, StreamResetReason.ProtocolError);
    assert.equal(server.requests[0]!.isComplete, false);
  }
});

test('H2-09 the authority wins over host, and host does not go on', async () => {
  const { server, peer } = await begin();
  server.codec.dispatch(peer.headers(1, WHOLE, [...GET, 'host', 'b.test']), false);
  assert.equal(server.requests[0]!.text(), 'GET / @a.test [] body= trailers=- end');
});

test('host stands in for a missing authority', async () => {
  const { server, peer } = await begin();
  const fields = [...GET.slice(0, 4), ':path', '/', 'host', 'b.test'];
  server.codec.dispatch(peer.headers(1, WHOLE, fields), false);
  assert.equal(server.requests[0]!.headers?.authority, 'b.test');
});

test('cookie crumbs arrive as one cookie', async () => {
  const { server, peer } = await begin();
  const crumbs = ['cookie', 'a=1', 'x', 'y', 'cookie', 'b=2', 'cookie', 'c=3'];
  server.codec.dispatch(peer.headers(1, WHOLE, [...GET, ...crumbs]), false);
  assert.deepEqual(server.requests[0]!.headers?.fields, ['cookie', 'a=1; b=2; c=3', 'x', 'y']);
});

test('H2-12 the 101st field resets the stream, cookie crumbs count', async () => {
  const hundred = Array.from({ length: 96 }, () => ['cookie', 'a']).flat();
  const { server, peer, sent } = await begin();
  server.codec.dispatch(peer.headers(1, WHOLE, [...GET, ...hundred]), false);
  assert.equal(server.requests[0]!.isComplete, true);
  server.codec.dispatch(peer.headers(3, WHOLE, [...GET, ...hundred, 'cookie', 'b']), false);
  const [reset] = await sent();
  assert.equal(reset?.payload.readUInt32BE(0), ErrorCode.EnhanceYourCalm);
  assert.equal(server.options.stats.headerOverflow, 1);
  assert.equal(server.requests[1]!.resetDetails, 'http2.too_many_headers');
});

test('H2-14 thousands of one-byte references to a cookie cost no more than a hundred', async () => {
  const { server, peer } = await begin();
  const first = Buffer.concat([peer.block(GET), peer.block(['cookie', 'c'.repeat(3000)], true)]);
  server.codec.dispatch(frame(1, WHOLE, 1, first), false);
  assert.equal(server.requests[0]!.headers?.get('cookie')?.length, 3000);
  const bomb = Buffer.concat([peer.block(GET), Buffer.alloc(8000, 0xbe)]);
  server.codec.dispatch(frame(1, WHOLE, 3, bomb), false);
  assert.equal(server.requests[1]!.headers, null);
  assert.equal(server.requests[1]!.resetDetails, 'http2.too_many_headers');
});

test('H2-18 CONTINUATIONs end the connection at the ninth', async () => {
  const { server, peer, sent } = await begin();
  server.codec.dispatch(peer.headers(1, END, GET), false);
  for (let i = 0; i < 8; i++)
    server.codec.dispatch(frame(9, 0, 1, peer.block(['x', `${i}`])), false);
  assert.equal(server.brokenBy, '');
  server.codec.dispatch(frame(9, 0, 1, peer.block(['x', 'y'])), false);
  assert.equal(await goawayCode(sent), ErrorCode.EnhanceYourCalm);
});

// [what, frames, counter]
const floods: [string, (peer: FramePeer) => Buffer[], string][] = [
  [
    'H2-18 empty CONTINUATIONs',
    (peer) => [peer.headers(1, END, GET), ...repeat(2, frame(9, 0, 1, ''))],
    'inboundEmptyFramesFlood',
  ],
  [
    'H2-19 SETTINGS that nobody reads the answers of',
    () => repeat(1000, frame(4, 0, 0, '')),
    'outboundControlFlood',
  ],
  [
    'H2-19 PINGs that nobody reads the answers of',
    () => repeat(1000, frame(6, 0, 0, '12345678')),
    'outboundControlFlood',
  ],
  [
    'H2-20 empty DATA',
    (peer) => [peer.headers(1, HEADERS_END, GET), ...repeat(2, frame(0, 0, 1, ''))],
    'inboundEmptyFramesFlood',
  ],
  ['H2-21 PRIORITY', () => repeat(101, frame(2, 0, 1, '\0\0\0\0\0')), 'inboundPriorityFramesFlood'],
  [
    'WINDOW_UPDATE',
    () => repeat(6, frame(8, 0, 0, '\0\0\0\x01')),
    'inboundWindowUpdateFramesFlood',
  ],
];

function repeat(count: number, bytes: Buffer): Buffer[] {
  return Array.from({ length: count }, () => bytes);
}

for (const [what, frames, counter] of floods) {
  test(`${what} are a flood at one more than allowed`, async () => {
    const { server, peer, sent } = await begin();
    server.connection.bufferedBytes = 1_000_000;
    const all = frames(peer);
    for (const bytes of all.slice(0, -1)) server.codec.dispatch(bytes, false);
    await sent();
    assert.equal(server.brokenBy, '');
    server.codec.dispatch(all.at(-1)!, false);
    assert.equal(await goawayCode(sent), ErrorCode.EnhanceYourCalm);
    assert.equal(server.wasFlood, true);
    assert.equal({ ...server.options.stats }[counter], 1);
  });
}

test('PINGs whose answers are read are no flood', async () => {
  const { server, sent } = await begin();
  for (let i = 0; i < 5000; i++) {
    server.codec.dispatch(frame(6, 0, 0, '12345678'), false);
    if (i % 500 === 0) await sent();
  }
  await sent();
  assert.equal(server.brokenBy, '');
});

test('resets of all streams at once, when their upstream is gone, are no flood of the client', async () => {
  const { server, peer, sent } = await begin();
  for (let id = 1; id <= 2 * 1010; id += 2)
    server.codec.dispatch(peer.headers(id, WHOLE, GET), false);
  await sent();
  for (const { encoder } of server.requests) encoder.resetStream(StreamResetReason.LocalReset);
  assert.equal((await sent()).length, 1010);
  assert.equal(server.brokenBy, '');
});

test('H2-19 PINGs that come all at once are a flood, whoever reads the answers', async () => {
  const { server, sent } = await begin();
  server.codec.dispatch(Buffer.concat(repeat(1001, frame(6, 0, 0, '12345678'))), false);
  assert.equal(await goawayCode(sent), ErrorCode.EnhanceYourCalm);
  assert.equal(server.options.stats.outboundControlFlood, 1);
});

test('H2-25 a stream above max_concurrent_streams is refused, the others go on', async () => {
  const { server, peer, sent } = await begin(http2ServerOptions({ maxConcurrentStreams: 2 }));
  for (const id of [1, 3, 5]) server.codec.dispatch(peer.headers(id, WHOLE, GET), false);
  const [reset] = await sent();
  assert.equal(reset?.id, 5);
  assert.equal(reset.payload.readUInt32BE(0), ErrorCode.RefusedStream);
  assert.equal(server.requests.length, 2);
  server.requests[0]!.encoder.encodeHeaders(new ResponseHeaders(204, []), true);
  server.codec.dispatch(peer.headers(7, WHOLE, GET), false);
  assert.equal(server.requests.length, 3);
});

test('H2-17 a stream window that overflows resets the stream, ten times', async () => {
  const { server, peer, sent } = await begin();
  for (let i = 0; i < 11; i++) {
    const id = 2 * i + 1;
    server.codec.dispatch(peer.headers(id, HEADERS_END, GET), false);
    server.codec.dispatch(frame(8, 0, id, '\x7f\xff\xff\xff'), false);
    assert.equal(server.requests[i]!.resetReason, StreamResetReason.ProtocolError);
    if (i < 10) assert.equal(server.brokenBy, '');
  }
  assert.equal(await goawayCode(sent), ErrorCode.EnhanceYourCalm);
});

test('H2-26 a body whose window never opens is given up after the flush timeout', async () => {
  const timers = new FakeTimers();
  const { server, peer, sent } = await begin(
    http2ServerOptions({}, { timers, clock: timers.clock, streamFlushTimeoutMs: 1000 }),
  );
  server.codec.dispatch(frame(4, 1, 0, ''), false);
  server.codec.dispatch(frame(4, 0, 0, '\0\x04\0\0\0\0'), false);
  server.codec.dispatch(peer.headers(1, WHOLE, GET), false);
  const request = server.requests[0]!;
  request.encoder.encodeHeaders(new ResponseHeaders(200, []), false);
  request.encoder.encodeData(Buffer.alloc(100_000), true);
  assert.equal(server.options.stats.pendingSendBytes, 100_000);
  // A byte at a time is no progress.
  server.codec.dispatch(frame(8, 0, 1, u32(1)), false);
  timers.advance(1000);
  assert.equal(server.options.stats.txFlushTimeout, 1);
  assert.equal(server.options.stats.pendingSendBytes, 0);
  assert.equal((await sent()).at(-1)?.type, FrameType.RstStream);
  assert.equal(server.codec.hasActiveStream(), false);
});

test('H2-27 a client that never acknowledges SETTINGS is told so after ten seconds', async () => {
  const timers = new FakeTimers();
  const { server, sent } = await begin(http2ServerOptions({}, { timers, clock: timers.clock }));
  timers.advance(9999);
  assert.equal(server.brokenBy, '');
  timers.advance(1);
  assert.equal(await goawayCode(sent), ErrorCode.SettingsTimeout);
});

test('a header table of less than 4096 binds the client once it acknowledged SETTINGS', async () => {
  const { server, peer, sent } = await begin(http2ServerOptions({ hpackTableSize: 100 }));
  server.codec.dispatch(peer.headers(1, WHOLE, GET), false);
  assert.equal(server.brokenBy, '');
  await sent();
  server.codec.dispatch(frame(4, 1, 0, ''), false);
  // Without the table size update that RFC 7541 4.2 asks for.
  server.codec.dispatch(frame(1, WHOLE, 3, '\x82\x86\x84\x41\x01a'), false);
  assert.equal(await goawayCode(sent), ErrorCode.CompressionError);
});

test('a header table size that a client sets twice is told as the least and the last', async () => {
  const { server, peer, sent } = await begin();
  server.codec.dispatch(frame(4, 0, 0, '\0\x01\0\0\0\0' + '\0\x01\0\0\x10\0'), false);
  await sent();
  server.codec.dispatch(peer.headers(1, WHOLE, GET), false);
  server.requests[0]!.encoder.encodeHeaders(new ResponseHeaders(200, []), true);
  const [head] = await sent();
  assert.equal(head?.payload.toString('hex'), '20' + '3fe11f' + '88');
});

test('H2-28 unknown frames, settings and flags mean nothing', async () => {
  const { server, peer } = await begin();
  server.codec.dispatch(frame(0xbb, 0xff, 9, 'grease'), false);
  server.codec.dispatch(frame(4, 0, 0, '\x0a\x0a\0\0\0\x01'), false);
  server.codec.dispatch(peer.headers(1, WHOLE | 0xc0, GET), false);
  assert.equal(server.brokenBy, '');
  assert.equal(server.requests[0]!.isComplete, true);
});

test('DATA for a stream that we reset is dropped, and its credit given back', async () => {
  const small = http2ServerOptions({ initialConnectionWindowSize: 65_535 });
  const { server, peer, sent } = await begin(small);
  server.codec.dispatch(peer.headers(1, HEADERS_END, GET), false);
  server.requests[0]!.encoder.resetStream(StreamResetReason.LocalReset);
  for (let i = 0; i < 4; i++) server.codec.dispatch(frame(0, 0, 1, Buffer.alloc(10_000)), false);
  const frames = await sent();
  assert.equal(server.brokenBy, '');
  assert.ok(frames.some(({ type, id }) => type === FrameType.WindowUpdate && id === 0));
});

test('a drain tells the client first, serves what crosses it, and closes after the last stream', async () => {
  const { server, peer, sent } = await begin();
  server.codec.dispatch(peer.headers(1, WHOLE, GET), false);
  server.codec.shutdownNotice();
  const [notice] = await sent();
  assert.equal(notice?.payload.readUInt32BE(0), 0x7fffffff);
  server.codec.dispatch(peer.headers(3, WHOLE, GET), false);
  server.codec.goAway();
  const [last] = await sent();
  assert.equal(last?.payload.readUInt32BE(0), 3);
  server.codec.dispatch(peer.headers(5, WHOLE, GET), false);
  assert.equal(server.requests.length, 2, 'the client sends that one again elsewhere');
  for (const { encoder } of server.requests) {
    assert.equal(server.connection.closedBy, null);
    encoder.encodeHeaders(new ResponseHeaders(200, []), true);
  }
  assert.equal(server.connection.closedBy, ConnectionCloseType.FlushWriteAndDelay);
});

test('what comes on a stream behind the last GOAWAY is ignored, and costs the others nothing', async () => {
  const small = http2ServerOptions({ initialConnectionWindowSize: 65_535 });
  const { server, peer, sent } = await begin(small);
  server.codec.dispatch(peer.headers(1, WHOLE, GET), false);
  server.codec.goAway();
  await sent();
  server.codec.dispatch(peer.headers(3, HEADERS_END, GET), false);
  for (let i = 0; i < 4; i++) server.codec.dispatch(frame(0, 0, 3, Buffer.alloc(10_000)), false);
  server.codec.dispatch(frame(8, 0, 3, u32(100)), false);
  server.codec.dispatch(peer.headers(3, WHOLE, ['x', 'y']), false);
  server.codec.dispatch(peer.headers(5, HEADERS_END, GET), false);
  server.codec.dispatch(frame(3, 0, 5, u32(ErrorCode.Cancel)), false);
  assert.equal(server.brokenBy, '');
  const frames = await sent();
  assert.deepEqual(
    frames.map(({ type, id }) => [type, id]),
    [[FrameType.WindowUpdate, 0]],
    'the credit of the connection',
  );
  server.requests[0]!.encoder.encodeHeaders(new ResponseHeaders(200, []), true);
  assert.equal(server.connection.closedBy, ConnectionCloseType.FlushWriteAndDelay);
  assert.equal(server.requests.length, 1);
});

test('a stream that nobody began is idle, also behind the last GOAWAY', async () => {
  const { server, peer, sent } = await begin();
  server.codec.dispatch(peer.headers(1, WHOLE, GET), false);
  server.codec.goAway();
  await sent();
  server.codec.dispatch(frame(0, 0, 7, 'x'), false);
  assert.equal(await goawayCode(sent), ErrorCode.ProtocolError);
});

test('a drained connection that is being closed is not asked whether it lives', async () => {
  const timers = new FakeTimers();
  const keepalive = {
    intervalMs: 1000,
    timeoutMs: 500,
    intervalJitterPercent: 0,
    idleIntervalMs: 0,
  };
  const { server } = await begin(
    http2ServerOptions({ keepalive }, { timers, clock: timers.clock }),
  );
  const closedBy: ConnectionCloseType[] = [];
  // What was written waits for the client.
  server.connection.close = (type) => closedBy.push(type);
  server.codec.goAway();
  timers.advance(10_000);
  assert.deepEqual(closedBy, [ConnectionCloseType.FlushWriteAndDelay]);
  assert.equal(server.options.stats.keepaliveTimeout, 0);
});

test('a head that does not come in time is answered, and the connection lives', async () => {
  const { server, peer, sent } = await begin();
  server.codec.dispatch(peer.headers(1, END, GET), false);
  assert.equal(server.codec.isReadingHead(), true);
  server.codec.abortHead({ status: 408, details: 'request_header_timeout', message: '' });
  const [head, reset] = await sent();
  assert.deepEqual(peer.decode(head!), [':status', '408']);
  assert.equal(reset?.type, FrameType.RstStream);
  server.codec.dispatch(frame(9, HEADERS_END, 1, peer.block(['x', 'y'])), false);
  server.codec.dispatch(peer.headers(3, WHOLE, [...GET, 'x', 'y']), false);
  assert.equal(server.requests.length, 1);
  assert.equal(server.requests[0]!.headers?.get('x'), 'y', 'the table is right');
});

test('a connection that closes ends its streams', async () => {
  const { server, peer } = await begin();
  server.codec.dispatch(peer.headers(1, WHOLE, GET), false);
  server.connection.remoteClose();
  assert.equal(server.requests[0]!.resetReason, StreamResetReason.ConnectionTermination);
  assert.equal(server.options.stats.streamsActive, 0);
});
