// The two codecs when a message turns into a tunnel (101, or 2xx to CONNECT), and when it does not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ClientHarness, ServerHarness } from '../../../test/fakes/http1.ts';
import { StreamResetReason } from '../../api/codec.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../api/connection.ts';
import { RequestHeaders, ResponseHeaders } from '../../api/headers.ts';

const GET = 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n';
const CONNECT = 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n';
const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n';
const switching = new ResponseHeaders(101, ['connection', 'upgrade', 'upgrade', 'x']);
const EMPTY = Buffer.alloc(0);

function serve(input: string): ServerHarness {
  const harness = new ServerHarness({}, null);
  harness.feed(input);
  return harness;
}

test('U-06 U-23 what follows a CONNECT or an upgrade is held, and is no request', () => {
  for (const head of [CONNECT, UPGRADE]) {
    const harness = serve(head + GET);
    harness.feed(GET);
    assert.equal(harness.requests.length, 1);
    const request = harness.requests[0]!;
    assert.equal(request.isComplete, false);
    assert.equal(request.body, '');
    request.encoder.encodeHeaders(new ResponseHeaders(403, []), true);
    assert.match(harness.connection.output, /^HTTP\/1\.1 403 .*connection: close/s);
    assert.equal(harness.connection.closedWith, ConnectionCloseType.FlushWriteAndDelay);
    harness.feed(GET);
    assert.equal(harness.requests.length, 1);
  }
});

test('the held bytes are the first of the tunnel, however they were cut', async () => {
  for (const [head, status] of [
    [CONNECT, 200],
    [UPGRADE, 101],
  ] as const) {
    const whole = `${head}${GET}${'x'.repeat(100_000)}`;
    for (const cut of [0, head.length - 1, head.length, head.length + 1, whole.length]) {
      const harness = new ServerHarness({}, null);
      harness.feed(whole.slice(0, cut));
      harness.feed(whole.slice(cut));
      const request = harness.requests[0]!;
      assert.equal(harness.connection.readDisableCount, 1);
      request.encoder.encodeHeaders(new ResponseHeaders(status, []), false);
      assert.equal(harness.connection.readDisableCount, 0);
      await setImmediate();
      assert.equal(request.body, whole.slice(head.length));
      assert.equal(harness.requests.length, 1);
    }
  }
});

test('a tunnel has no framing, and ends direction by direction', async () => {
  const harness = serve(UPGRADE);
  const request = harness.requests[0]!;
  request.encoder.encodeHeaders(switching, false);
  assert.equal(
    harness.connection.output,
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
  );
  assert.equal(harness.connection.halfClose, true);
  request.encoder.encodeData(Buffer.from('raw'), true);
  assert.match(harness.connection.output, /\r\n\r\nraw$/);
  assert.equal(harness.connection.localEnded, true);
  assert.equal(harness.connection.closedWith, null);
  harness.feed('late');
  harness.codec.dispatch(EMPTY, true);
  assert.equal(request.body, 'late');
  assert.equal(request.isComplete, true);
  assert.equal(harness.connection.closedWith, ConnectionCloseType.FlushWrite);
});

test('a connection that breaks resets a tunnel whose one direction has ended', () => {
  const harness = serve(UPGRADE);
  const request = harness.requests[0]!;
  request.encoder.encodeHeaders(switching, false);
  request.encoder.encodeData(EMPTY, true);
  harness.codec.onConnectionEvent(ConnectionEvent.RemoteClose);
  assert.equal(request.resetReason, StreamResetReason.ConnectionTermination);
});

test('an upgrade with a body stays a request, the last one of its connection', () => {
  const harness = serve(
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nab',
  );
  const request = harness.requests[0]!;
  assert.equal(request.encoder.upgradeType, 'x');
  assert.equal(request.encoder.canTunnel, false);
  assert.equal(request.isComplete, true);
  harness.feed(GET);
  request.encoder.encodeHeaders(new ResponseHeaders(200, []), true);
  assert.equal(harness.requests.length, 1);
  assert.notEqual(harness.connection.closedWith, null);
});

test('a CONNECT with content is refused', () => {
  const head = 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n';
  const length = serve(`${head}Content-Length: 1\r\n\r\nx`);
  assert.equal(length.errors[0]?.details, 'http1.body_disallowed');
  const chunked = serve(`${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
  assert.equal(chunked.errors[0]?.status, 501);
  assert.equal(serve(`${head}Content-Length: 0\r\n\r\n`).errors.length, 0);
});

/** A client codec with one request on its way. */
function send(request: RequestHeaders, endStream: boolean) {
  const harness = new ClientHarness();
  const { encoder, response } = harness.open();
  encoder.encodeHeaders(request, endStream);
  const { connection, codec } = harness;
  return { connection, codec, encoder, response, feed: (text: string) => harness.feed(text) };
}

function upgradeUpstream() {
  const fields = ['connection', 'upgrade', 'upgrade', 'x'];
  return send(new RequestHeaders('GET', '/', 'a', 'http', fields), false);
}

test('upstream: 101 opens the tunnel, bytes glued to it are its first', () => {
  const harness = upgradeUpstream();
  assert.equal(
    harness.connection.output,
    'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
  );
  harness.feed('HTTP/1.1 101 S\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nfirst');
  const response = harness.response;
  assert.equal(response.headers?.status, 101);
  assert.equal(response.headers.get('content-length'), null);
  harness.feed(' more');
  assert.equal(response.body, 'first more');
  harness.encoder.encodeData(Buffer.from('up'), true);
  assert.match(harness.connection.output, /\r\n\r\nup$/);
  assert.equal(harness.connection.localEnded, true);
  assert.equal(harness.connection.closedWith, null);
  harness.codec.dispatch(EMPTY, true);
  assert.equal(response.isComplete, true);
  assert.equal(harness.connection.closedWith, ConnectionCloseType.FlushWrite);
});

test('upstream: a tunnel that ends without FIN is reset, also behind its own end', () => {
  for (const ended of [false, true]) {
    const harness = upgradeUpstream();
    harness.feed('HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n');
    if (ended) harness.codec.dispatch(EMPTY, true);
    harness.codec.onConnectionEvent(ConnectionEvent.RemoteClose);
    assert.equal(harness.response.resetReason, StreamResetReason.ConnectionTermination);
  }
});

test('upstream: framing headers of a 2xx to CONNECT mean nothing; other answers are framed', () => {
  const connect = () => send(new RequestHeaders('CONNECT', '', 'a:443', 'http', []), false);
  const open = connect();
  assert.equal(open.connection.output, 'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n');
  open.feed('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nraw');
  assert.equal(open.response.body, 'raw');
  const refused = connect();
  refused.feed('HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno');
  assert.equal(refused.response.body, 'no');
  assert.equal(refused.response.isComplete, true);
});

test('UP-09 a 101 to CONNECT or to no upgrade at all is a protocol error', () => {
  for (const method of ['CONNECT', 'GET']) {
    const harness = send(new RequestHeaders(method, '/', 'a:443', 'http', []), method === 'GET');
    harness.feed('HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n');
    assert.equal(harness.response.resetReason, StreamResetReason.ProtocolError);
  }
});
