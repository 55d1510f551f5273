import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordedRequest } from '../../../test/fakes/http1.ts';
import {
  FramePeer,
  Http2ClientHarness,
  Http2ServerHarness,
  http2ClientOptions,
  http2ServerOptions,
  pump,
} from '../../../test/fakes/http2.ts';
import { StreamResetReason } from '../../api/codec.ts';
import { RequestHeaders, ResponseHeaders } from '../../api/headers.ts';

function answerWithTrailers(request: RecordedRequest): void {
  const { encoder } = request;
  encoder.encodeHeaders(
    new ResponseHeaders(200, ['x-body-bytes', `${request.body.length}`]),
    false,
  );
  encoder.encodeData(Buffer.from(`<${request.body}>`), false);
  encoder.encodeTrailers(['grpc-status', '0']);
}

for (const pieceBytes of [0, 1, 7]) {
  test(`a request with body and trailers comes back whole, ${pieceBytes} bytes at a time`, async () => {
    const server = new Http2ServerHarness(http2ServerOptions(), answerWithTrailers);
    const client = new Http2ClientHarness();
    const { encoder, response } = client.request(
      new RequestHeaders('POST', '/a?b', 'a.test', 'http', ['content-type', 'application/grpc']),
      false,
    );
    encoder.encodeData(Buffer.from('hello '), false);
    encoder.encodeData(Buffer.from('world'), false);
    encoder.encodeTrailers(['x-sum', '11']);
    await pump(client, server, pieceBytes);
    assert.equal(
      server.requests[0]!.text(),
      'POST /a?b @a.test [content-type: application/grpc] body=hello world trailers=x-sum: 11 end',
    );
    assert.equal(response.headers?.status, 200);
    assert.equal(response.body, '<hello world>');
    assert.equal(response.trailers, 'grpc-status: 0');
    assert.equal(client.streamsClosed, 1);
    assert.equal(client.codec.activeStreams(), 0);
    assert.equal(server.codec.hasActiveStream(), false);
  });
}

test('many streams at once, answered in another order', async () => {
  const server = new Http2ServerHarness();
  const client = new Http2ClientHarness();
  const exchanges = Array.from({ length: 300 }, (_, i) =>
    client.request(new RequestHeaders('GET', `/${i}`, 'a.test', 'http', ['x-n', `${i}`])),
  );
  await pump(client, server);
  assert.equal(server.requests.length, 300);
  for (const { encoder, headers } of server.requests.toReversed()) {
    encoder.encodeHeaders(new ResponseHeaders(200, ['x-path', headers!.path]), true);
  }
  await pump(client, server);
  exchanges.forEach(({ response }, i) => {
    assert.equal(response.headers?.get('x-path'), `/${i}`);
    assert.equal(response.isComplete, true);
  });
});

test('a body larger than every window arrives whole, both ways', async () => {
  const small = { initialStreamWindowSize: 65_535, initialConnectionWindowSize: 70_000 };
  const server = new Http2ServerHarness(http2ServerOptions(small), answerWithTrailers);
  const client = new Http2ClientHarness(http2ClientOptions(small));
  const body = Buffer.alloc(1_000_000, 'abcdefghij');
  const exchanges = [0, 1, 2].map(() =>
    client.request(new RequestHeaders('POST', '/', 'a.test', 'http', []), false),
  );
  for (const { encoder } of exchanges) encoder.encodeData(body, true);
  await pump(client, server);
  for (const { response } of exchanges) {
    assert.equal(response.body.length, body.length + 2);
    assert.equal(response.trailers, 'grpc-status: 0');
  }
  assert.equal(client.options.stats.pendingSendBytes, 0);
  assert.equal(server.options.stats.pendingSendBytes, 0);
});

test('a stream that is not read holds back its own body only', async () => {
  const small = { initialStreamWindowSize: 65_535, initialConnectionWindowSize: 65_535 };
  const server = new Http2ServerHarness(http2ServerOptions(small));
  const client = new Http2ClientHarness(http2ClientOptions(small));
  const slow = client.request(new RequestHeaders('POST', '/slow', 'a', 'http', []), false);
  await pump(client, server);
  server.requests[0]!.encoder.readDisable(true);
  slow.encoder.encodeData(Buffer.alloc(200_000), true);
  await pump(client, server);
  assert.equal(server.requests[0]!.body.length, 65_535);
  const quick = client.request(new RequestHeaders('POST', '/quick', 'a', 'http', []), false);
  quick.encoder.encodeData(Buffer.alloc(200_000), true);
  await pump(client, server);
  assert.equal(server.requests[1]!.isComplete, true);
  assert.equal(server.requests[0]!.body.length, 65_535);
  server.requests[0]!.encoder.readDisable(false);
  await pump(client, server);
  assert.equal(server.requests[0]!.isComplete, true);
});

test('heads larger than a frame go in CONTINUATIONs', async () => {
  const server = new Http2ServerHarness(http2ServerOptions(), answerWithTrailers);
  const client = new Http2ClientHarness();
  const fields = Array.from({ length: 40 }, (_, i) => [`x-${i}`, `${i}`.repeat(500)]).flat();
  const { response } = client.request(new RequestHeaders('GET', '/', 'a', 'http', fields));
  await pump(client, server, 1000);
  assert.deepEqual(server.requests[0]!.headers?.fields, fields);
  assert.equal(response.isComplete, true);
});

test('an upgrade is an extended CONNECT on the wire and an upgrade at both ends', async () => {
  const server = new Http2ServerHarness(http2ServerOptions({ allowConnect: true }));
  const client = new Http2ClientHarness();
  const fields = ['connection', 'Upgrade', 'upgrade', 'websocket', 'sec-websocket-version', '13'];
  const { encoder, response } = client.request(
    new RequestHeaders('GET', '/chat', 'a', 'http', fields),
    false,
  );
  await pump(client, server);
  const request = server.requests[0]!;
  assert.equal(request.headers?.method, 'GET');
  assert.equal(request.encoder.upgradeType, 'websocket');
  assert.equal(request.headers.get('sec-websocket-version'), '13');
  assert.notEqual(request.headers.get('sec-websocket-key'), null);
  request.encoder.encodeHeaders(
    new ResponseHeaders(101, ['upgrade', 'websocket', 'connection', 'upgrade']),
    false,
  );
  encoder.encodeData(Buffer.from('ping'), false);
  await pump(client, server);
  assert.equal(response.headers?.status, 101);
  assert.equal(response.headers.get('upgrade'), 'websocket');
  assert.equal(request.body, 'ping');
  request.encoder.encodeData(Buffer.from('pong'), true);
  await pump(client, server);
  assert.equal(response.body, 'pong');
  assert.equal(server.codec.hasActiveStream(), true, 'one direction is open');
  encoder.encodeData(Buffer.alloc(0), true);
  await pump(client, server);
  assert.equal(server.codec.hasActiveStream(), false);
});

test('an answer before the end of the request ends the stream without harm', async () => {
  const server = new Http2ServerHarness();
  const client = new Http2ClientHarness();
  const { encoder, response } = client.request(
    new RequestHeaders('POST', '/', 'a', 'http', []),
    false,
  );
  encoder.encodeData(Buffer.from('part'), false);
  await pump(client, server);
  server.requests[0]!.encoder.encodeHeaders(new ResponseHeaders(413, []), true);
  encoder.encodeData(Buffer.from('more'), false);
  await pump(client, server);
  assert.equal(response.isComplete, true);
  assert.equal(response.headers?.status, 413);
  assert.equal(server.brokenBy, '');
  assert.equal(server.codec.hasActiveStream(), false);
});

test('a tunnel has no trailers: they end its stream only, whoever sends them', async () => {
  for (const isClient of [true, false]) {
    const server = new Http2ServerHarness(http2ServerOptions({ allowConnect: true }));
    const client = new Http2ClientHarness();
    const head = new RequestHeaders('CONNECT', '', 'a:1', 'http', []);
    const { response } = client.request(head, false);
    await pump(client, server);
    const request = server.requests[0]!;
    request.encoder.encodeHeaders(new ResponseHeaders(200, []), false);
    await pump(client, server);
    const trailers = new FramePeer().headers(1, 5, ['x', 'y']);
    if (isClient) server.codec.dispatch(trailers, false);
    else client.codec.onData(trailers, false);
    await pump(client, server);
    assert.equal(request.trailers, null);
    assert.equal(response.trailers, null);
    assert.equal((isClient ? request : response).resetReason, StreamResetReason.ProtocolError);
    assert.equal(server.brokenBy, '');
    assert.deepEqual(client.errors, []);
    assert.equal(server.codec.hasActiveStream(), false);
    assert.equal(client.codec.activeStreams(), 0);
  }
});

test('trailers that somebody adds to a tunnel only end it', async () => {
  const server = new Http2ServerHarness();
  const client = new Http2ClientHarness();
  const head = new RequestHeaders('CONNECT', '', 'a:1', 'http', []);
  const { encoder, response } = client.request(head, false);
  await pump(client, server);
  const request = server.requests[0]!;
  request.encoder.encodeHeaders(new ResponseHeaders(200, []), false);
  request.encoder.encodeData(Buffer.from('bye'), false);
  request.encoder.encodeTrailers(['x', 'y']);
  encoder.encodeTrailers(['x', 'y']);
  await pump(client, server);
  assert.deepEqual([response.body, response.isComplete, response.trailers], ['bye', true, null]);
  assert.deepEqual([request.isComplete, request.trailers], [true, null]);
  assert.equal(client.codec.activeStreams(), 0);
});
