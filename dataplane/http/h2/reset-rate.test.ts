import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLIENT_START,
  FramePeer,
  frame,
  GET,
  Http2ServerHarness,
  http2ServerOptions,
  parseFrames,
} from '../../../test/fakes/http2.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { ResponseHeaders } from '../../api/headers.ts';
import { ErrorCode, FrameFlag, FrameType } from './frames.ts';

// As seen on Envoy 1.40: GOAWAY with INTERNAL_ERROR, a protocol error of the connection.
test('H2-16 a client may send stream_reset_burst resets at once, and stream_reset_rate per second', async () => {
  const timers = new FakeTimers();
  timers.advance(1000 - (timers.clock.nowMs() % 1000));
  const options = http2ServerOptions(
    { streamResetBurst: 3, streamResetRate: 2 },
    { timers, clock: timers.clock },
  );
  const server = new Http2ServerHarness(options);
  const peer = new FramePeer();
  let id = -1;
  const reset = () => {
    id += 2;
    const code = Buffer.of(0, 0, 0, ErrorCode.Cancel);
    const head = peer.headers(id, FrameFlag.EndHeaders | FrameFlag.EndStream, GET);
    server.codec.dispatch(Buffer.concat([head, frame(FrameType.RstStream, 0, id, code)]), false);
  };
  server.codec.dispatch(CLIENT_START, false);
  for (let i = 0; i < 3; i++) reset();
  timers.advance(999);
  timers.advance(1);
  for (let i = 0; i < 2; i++) reset();
  // Not more than the burst is saved up.
  timers.advance(5000);
  for (let i = 0; i < 3; i++) reset();
  assert.equal(server.brokenBy, '');
  await server.connection.takeOutput();
  reset();
  assert.equal(server.brokenBy, 'http2.too_many_resets');
  assert.equal(server.wasFlood, false);
  const goAway = parseFrames(await server.connection.takeOutput()).find(
    ({ type }) => type === FrameType.Goaway,
  );
  assert.equal(goAway?.payload.readUInt32BE(4), ErrorCode.InternalError);
});

test('a request that was answered before its end may be reset by both sides', () => {
  const server = new Http2ServerHarness(http2ServerOptions({ streamResetBurst: 3 }));
  const peer = new FramePeer();
  server.codec.dispatch(CLIENT_START, false);
  for (let id = 1; id < 40; id += 2) {
    server.codec.dispatch(peer.headers(id, FrameFlag.EndHeaders, GET), false);
    server.requests.at(-1)?.encoder.encodeHeaders(new ResponseHeaders(200, []), true);
    const code = Buffer.of(0, 0, 0, ErrorCode.NoError);
    server.codec.dispatch(frame(FrameType.RstStream, 0, id, code), false);
  }
  assert.equal(server.brokenBy, '');
});
