// The client codec: requests on the wire, responses in every framing, hostile upstreams (rows UP-xx).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientHarness } from '../../../test/fakes/http1.ts';
import { StreamResetReason } from '../../api/codec.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../api/connection.ts';
import { RequestHeaders } from '../../api/headers.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function request(method = 'GET', fields: string[] = []): RequestHeaders {
  return new RequestHeaders(method, '/p?q', 'a:80', 'http', fields);
}

/** One GET answered by `input`, whole and byte by byte with the same result. */
function exchange(input: string, method = 'GET', closed = false): [string, ClientHarness] {
  const results: string[] = [];
  let last = new ClientHarness();
  for (const step of [1, 7, Math.max(1, input.length)]) {
    const harness = new ClientHarness();
    const { encoder, response } = harness.open();
    encoder.encodeHeaders(request(method), true);
    for (let at = 0; at < input.length; at += step) harness.feed(input.slice(at, at + step));
    if (closed) harness.onEvent(ConnectionEvent.RemoteClose);
    results.push(response.text());
    last = harness;
  }
  assert.equal(results[0], results[2], 'byte by byte');
  assert.equal(results[1], results[2], 'in sevens');
  return [results[2]!, last];
}

function refuses(input: string, details?: string): void {
  const [text, harness] = exchange(input);
  assert.match(text, new RegExp(`reset=${StreamResetReason.ProtocolError}$`));
  assert.equal(harness.errors.length, 1);
  if (details !== undefined) assert.equal(harness.errors[0]!.details, details);
  assert.equal(harness.connection.closedWith, ConnectionCloseType.NoFlush);
  assert.equal(harness.codec.canReuse(), false);
}

function sent(
  method: string,
  fields: string[],
  body: string[] | null,
  trailers?: string[],
): string {
  const harness = new ClientHarness();
  const { encoder } = harness.open();
  encoder.encodeHeaders(request(method, fields), body === null);
  body?.forEach((piece, i) => {
    encoder.encodeData(Buffer.from(piece), trailers === undefined && i === body.length - 1);
  });
  if (trailers !== undefined) encoder.encodeTrailers(trailers);
  assert.equal(encoder.bytesSent(), harness.connection.output.length);
  return harness.connection.output;
}

test('a request has host first, its headers in order, framing last, as Envoy sends it', () => {
  assert.equal(
    sent('GET', ['accept', '*/*', 'x', '1'], null),
    'GET /p?q HTTP/1.1\r\nhost: a:80\r\naccept: */*\r\nx: 1\r\n\r\n',
  );
  assert.match(sent('POST', ['x', '1'], null), /x: 1\r\ncontent-length: 0\r\n\r\n$/);
  for (const method of ['GET', 'HEAD', 'DELETE', 'TRACE']) {
    assert.doesNotMatch(sent(method, [], null), /content-length/);
  }
  assert.match(sent('PUT', ['content-length', '2'], ['ok']), /content-length: 2\r\n\r\nok$/);
  assert.match(
    sent('PUT', [], ['ok', 'abc']),
    /transfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nabc\r\n0\r\n\r\n$/,
  );
  assert.match(sent('PUT', [], ['ok'], ['x-t', '1']), /2\r\nok\r\n0\r\nx-t: 1\r\n\r\n$/);
});

test('a response with Content-Length leaves the connection reusable', () => {
  const [text, harness] = exchange(OK);
  assert.equal(text, '1xx= 200 [content-length: 2] body=ok trailers=- end reset=null');
  assert.equal(harness.idle, 1);
  assert.equal(harness.codec.canReuse(), true);
});

test('a chunked response with trailers', () => {
  const [text, harness] = exchange(
    'HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n2;e\r\nok\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n',
  );
  assert.equal(text, '1xx= 200 [x: 1] body=ok! trailers=x-t: 1 end reset=null');
  assert.equal(harness.codec.canReuse(), true);
});

test('a response that ends with its connection is complete only after an orderly end', () => {
  const [text, harness] = exchange('HTTP/1.1 200 OK\r\n\r\nok', 'GET', true);
  assert.equal(text, '1xx= 200 [] body=ok trailers=- end reset=null');
  assert.equal(harness.goAways, 1);
  const cut = new ClientHarness();
  const { encoder, response } = cut.open();
  encoder.encodeHeaders(request(), true);
  cut.feed('HTTP/1.1 200 OK\r\n\r\nok');
  cut.connection.wasReset = true;
  cut.onEvent(ConnectionEvent.RemoteClose);
  assert.equal(response.resetReason, StreamResetReason.ConnectionTermination);
});

test('HEAD, 204 and 304 have no body whatever their headers say', () => {
  assert.match(exchange('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', 'HEAD')[0], /body= .* end/);
  assert.match(exchange('HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n')[0], /body= .* end/);
  const [text, harness] = exchange('HTTP/1.1 204 N\r\n\r\n');
  assert.match(text, /204 \[\] body= .* end/);
  assert.equal(harness.codec.canReuse(), true);
});

test('Connection: close and HTTP/1.0 forbid another request', () => {
  for (const head of [
    'HTTP/1.1 200 OK\r\nConnection: close\r\n',
    'HTTP/1.0 200 OK\r\n',
    'HTTP/1.0 200 OK\r\nConnection: x\r\n',
  ]) {
    const [text, harness] = exchange(`${head}Content-Length: 2\r\n\r\nok`);
    assert.match(text, /body=ok .* end/);
    assert.equal(harness.idle, 1);
    assert.equal(harness.goAways, 1);
    assert.equal(harness.codec.canReuse(), false);
  }
  const kept = exchange(
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
  )[1];
  assert.equal(kept.codec.canReuse(), true);
});

test('1xx responses are forwarded before the final one', () => {
  const [text] = exchange(
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n${OK}`,
  );
  assert.equal(text, '1xx=100,103 200 [content-length: 2] body=ok trailers=- end reset=null');
});

test('UP-01 Content-Length and Transfer-Encoding together are refused', () => {
  refuses(
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  );
});

test('UP-02 two or invalid Content-Lengths are refused', () => {
  refuses('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok');
  refuses('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok');
});

test('UP-03 bad chunks and transfer codings are refused', () => {
  refuses('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
  refuses('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n');
  refuses('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n');
});

test('UP-04 a body cut short is a reset, never an end', () => {
  for (const body of [
    'Content-Length: 5\r\n\r\nok',
    'Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n',
  ]) {
    const [text, harness] = exchange(`HTTP/1.1 200 OK\r\n${body}`, 'GET', true);
    assert.match(text, new RegExp(`body=ok .* open reset=${StreamResetReason.ProtocolError}$`));
    assert.equal(harness.errors.length, 1);
  }
});

test('UP-05 NUL, CR, bare LF, folding and a space before the colon are refused', () => {
  for (const line of ['a: b\0', 'a: b\rc', 'a: b\n', 'a: b\r\n c', 'a : b']) {
    refuses(`HTTP/1.1 200 OK\r\n${line}\r\nContent-Length: 0\r\n\r\n`);
  }
});

test('UP-06 a second response glued to the first is dropped and the connection not reused', () => {
  const harness = new ClientHarness();
  const { encoder, response } = harness.open();
  encoder.encodeHeaders(request(), true);
  harness.feed(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno`);
  assert.match(response.text(), /body=ok .* end reset=null/);
  assert.equal(harness.idle, 1);
  assert.equal(harness.codec.canReuse(), false);
});

test('UP-07 a response before the request and bytes on an idle connection close it', () => {
  const early = new ClientHarness();
  const { response } = early.open();
  early.feed(OK);
  assert.equal(response.resetReason, StreamResetReason.ProtocolError);
  assert.notEqual(early.connection.closedWith, null);
  const idle = new ClientHarness();
  idle.feed(OK);
  assert.equal(idle.errors.length, 1);
  assert.equal(idle.codec.canReuse(), false);
  const timeout = new ClientHarness();
  timeout.feed('HTTP/1.1 408 Request Timeout\r\n\r\n');
  assert.equal(timeout.errors.length, 0);
  assert.notEqual(timeout.connection.closedWith, null);
});

test('UP-08 more than 32 informational responses are refused', () => {
  const early = 'HTTP/1.1 103 E\r\n\r\n';
  assert.match(exchange(early.repeat(32) + OK)[0], /end reset=null/);
  refuses(early.repeat(33) + OK);
});

test('UP-09 an unasked 101 is refused', () => {
  refuses('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nzz');
});

test('UP-10 a 204 that announces a body is refused; bytes behind HEAD and 304 spoil the connection', () => {
  refuses('HTTP/1.1 204 N\r\nContent-Length: 2\r\n\r\nok', 'http1.body_disallowed');
  for (const method of ['HEAD', 'GET']) {
    const harness = new ClientHarness();
    const { encoder, response } = harness.open();
    encoder.encodeHeaders(request(method), true);
    harness.feed(`HTTP/1.1 ${method === 'HEAD' ? 200 : 304} X\r\nContent-Length: 2\r\n\r\nok`);
    assert.match(response.text(), /body= .* end reset=null/);
    assert.equal(harness.codec.canReuse(), false);
  }
});

test('UP-11 impossible status lines are refused', () => {
  for (const line of [
    'HTTP/1.1 99 X',
    'HTTP/1.1 1000 X',
    'HTTP/1.1 2x0 X',
    'HTTP/2.0 200 X',
    'hello',
  ]) {
    refuses(`${line}\r\nContent-Length: 0\r\n\r\n`);
  }
  assert.match(exchange('HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n')[0], /200 .* end reset=null/);
});

test('UP-12 a head past its limits is refused', () => {
  refuses(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(61 * 1024)}\r\n\r\n`);
  refuses(`HTTP/1.1 200 OK\r\n${'x: 1\r\n'.repeat(101)}\r\n`);
});

test('UP-13 an end before the head is a termination, one within it a protocol error', () => {
  for (const input of ['', 'HTTP/1.1 100 Continue\r\n\r\n']) {
    const [text, harness] = exchange(input, 'GET', true);
    assert.match(text, new RegExp(`no head.*reset=${StreamResetReason.ConnectionTermination}$`));
    assert.equal(harness.errors.length, 0);
  }
  const [text, harness] = exchange('HTTP/1.1 200 OK\r\nContent-L', 'GET', true);
  assert.match(text, new RegExp(`no head.*reset=${StreamResetReason.ProtocolError}$`));
  assert.equal(harness.errors.length, 1);
});

test('a response before the end of the request is delivered; the connection is idle only after both', () => {
  const harness = new ClientHarness();
  const { encoder, response } = harness.open();
  encoder.encodeHeaders(request('POST', ['content-length', '4']), false);
  harness.feed(OK);
  assert.match(response.text(), /body=ok .* end/);
  assert.equal(harness.idle, 0);
  encoder.encodeData(Buffer.from('body'), true);
  assert.equal(harness.idle, 1);
  const gone = new ClientHarness();
  const second = gone.open();
  second.encoder.encodeHeaders(request('POST'), false);
  gone.feed(OK);
  gone.onEvent(ConnectionEvent.RemoteClose);
  assert.equal(second.response.resetReason, null, 'a complete response is not spoilt by the end');
});

test('an own reset closes the connection without a callback', () => {
  const harness = new ClientHarness();
  const { encoder, response } = harness.open();
  encoder.encodeHeaders(request(), true);
  encoder.readDisable(true);
  encoder.resetStream(StreamResetReason.LocalReset);
  assert.equal(harness.connection.closedWith, ConnectionCloseType.NoFlush);
  assert.equal(response.resetReason, null);
  assert.equal(harness.connection.readDisableCount, 0);
});

test('a request body that breaks its Content-Length resets the exchange', () => {
  for (const body of ['abc', 'a']) {
    const harness = new ClientHarness();
    const { encoder, response } = harness.open();
    encoder.encodeHeaders(request('POST', ['content-length', '2']), false);
    encoder.encodeData(Buffer.from(body), true);
    assert.equal(response.resetReason, StreamResetReason.LocalReset);
    assert.notEqual(harness.connection.closedWith, null);
  }
});
