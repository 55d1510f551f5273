// The server codec around the parser: targets (reliability rows U-xx), responses, keep-alive, pipelining,
// resets, watermarks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOk, ServerHarness } from '../../../test/fakes/http1.ts';
import { StreamResetReason } from '../../api/codec.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../api/connection.ts';
import { ResponseHeaders } from '../../api/headers.ts';
import type { ServerOptions } from './options.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';

function serve(input: string, options: Partial<ServerOptions> = {}): ServerHarness {
  const harness = new ServerHarness(options);
  harness.feed(input);
  return harness;
}

function refuses(input: string, status: number, details?: string, options = {}): void {
  const harness = serve(input, options);
  assert.deepEqual(
    harness.errors.map((error) => error.status),
    [status],
  );
  if (details !== undefined) assert.equal(harness.errors[0]!.details, details);
  assert.equal(harness.connection.closedWith, ConnectionCloseType.FlushWriteAndDelay);
  assert.equal(harness.requests.length, 0);
}

function answered(input: string, headers: ResponseHeaders, options = {}): string {
  const harness = new ServerHarness(options, (request) => {
    request.encoder.encodeHeaders(headers, true);
  });
  harness.feed(input);
  return harness.connection.output;
}

test('U-01 a request without Host has no authority, which the connection manager refuses', () => {
  assert.equal(serve('GET / HTTP/1.1\r\n\r\n').requests[0]!.headers!.authority, '');
});

test('U-02 two Host lines are refused, equal or not', () => {
  refuses('GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400);
  refuses('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400);
});

for (const host of [
  '',
  'u@a',
  'a/b',
  'a, b',
  'a b',
  'a:99999',
  'a:b',
  '[::1',
  '[x]',
  'a\\b',
  'a"b',
]) {
  test(`U-03 Host ${JSON.stringify(host)} is refused`, () => {
    refuses(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400, 'http.invalid_authority');
  });
}

test('U-03 honest hosts pass as they are', () => {
  for (const host of ['a', 'A.Example.', 'a:80', 'a:', '[::1]:80', '127.0.0.1', 'a_b', 'a%20b']) {
    const { requests } = serve(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assert.equal(requests[0]!.headers!.authority, host);
  }
});

test('U-04 the authority of an absolute target replaces Host', () => {
  const { requests } = serve('GET http://B:80/zz?q HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(requests[0]!.text(), 'GET /zz?q @B:80 [] body= trailers=- end');
  const bare = serve('GET http://b HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(bare.requests[0]!.headers!.path, '/');
});

test('without allow_absolute_url a target is left to the connection manager, which takes paths only', () => {
  const { requests } = serve('GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n', {
    allowAbsoluteUrl: false,
  });
  assert.equal(requests[0]!.text(), 'GET http://b/ @a [] body= trailers=- end');
});

test('U-07 TRACE goes without credentials', () => {
  const { requests } = serve(
    'TRACE / HTTP/1.1\r\nHost: a\r\nCookie: c\r\nX: y\r\nAuthorization: d\r\nProxy-Authorization: e\r\n\r\n',
  );
  assert.equal(requests[0]!.text(), 'TRACE / @a [x: y] body= trailers=- end');
});

test('allow_chunked_length drops the length, but not the strictness about it', () => {
  const allowChunkedLength = true;
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n';
  const { requests } = serve(`${head}Content-Length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n`, {
    allowChunkedLength,
  });
  assert.equal(requests[0]!.text(), 'POST / @a [] body=a trailers=- end');
  refuses(`${head}Content-Length: x\r\n\r\n`, 400, 'http1.content_length_and_chunked_not_allowed', {
    allowChunkedLength,
  });
  refuses(
    `${head}Content-Length: 9\r\nContent-Length: 9\r\n\r\n`,
    400,
    'http1.content_length_and_chunked_not_allowed',
    {
      allowChunkedLength,
    },
  );
});

test('allow_custom_methods takes any token, and no longer one than the others may be', () => {
  const allowCustomMethods = true;
  const { requests } = serve('FROB-1 / HTTP/1.1\r\nHost: a\r\n\r\n', { allowCustomMethods });
  assert.equal(requests[0]!.text(), 'FROB-1 / @a [] body= trailers=- end');
  refuses(' / HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'http1.codec_error', { allowCustomMethods });
  refuses('F(B / HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'http1.codec_error', { allowCustomMethods });
  refuses(`${'F'.repeat(17)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400, 'http1.codec_error', {
    allowCustomMethods,
  });
});

test('preserve_case keeps the first spelling of a name', () => {
  const preserveCase = { isOtherwiseProper: true, forwardReasonPhrase: false };
  const { requests } = serve('GET / HTTP/1.1\r\nHoST: a\r\nX-aB: 1\r\nx-Ab: 2\r\n\r\n', {
    preserveCase,
  });
  const spelling = requests[0]!.headers!.spelling!;
  assert.deepEqual(
    [...spelling.names],
    [
      ['host', 'HoST'],
      ['x-ab', 'X-aB'],
    ],
  );
  assert.ok(spelling.isOtherwiseProper);
  assert.equal(serve(`${GET}\r\n`).requests[0]!.headers!.spelling, null);
});

test('U-05 another scheme than http and https is refused', () => {
  refuses('GET ftp://b/zz HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'http1.invalid_scheme');
  refuses('GET http://u@b/zz HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'http1.invalid_url');
});

test('U-08 * is for OPTIONS only', () => {
  refuses('GET * HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'http1.invalid_url');
  assert.equal(serve('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n').requests[0]!.headers!.path, '*');
});

test('U-09 a fragment goes up for the connection manager to refuse', () => {
  assert.equal(serve('GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n').requests[0]!.headers!.path, '/a#b');
});

test('U-10 U-11 space, control and non-ASCII bytes in a target are refused', () => {
  for (const byte of [' ', '\t', '\0', '\x01', '\x7f', '\x80', '\xff']) {
    refuses(`GET /a${byte}b HTTP/1.1\r\nHost: a\r\n\r\n`, 400);
  }
  refuses('GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400);
  refuses('GET abc HTTP/1.1\r\nHost: a\r\n\r\n', 400);
});

test('U-19 other HTTP versions are refused', () => {
  refuses('GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505);
  refuses('GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505);
  refuses('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400);
  refuses('GET /\r\n\r\n', 400);
  refuses('GET / http/1.1\r\nHost: a\r\n\r\n', 400);
  refuses('GET / HTTP/1.10\r\nHost: a\r\n\r\n', 400);
  refuses('GET / HTTP/11\r\nHost: a\r\n\r\n', 400);
});

test('U-20 lower-case and unknown methods are refused', () => {
  for (const method of ['get', 'FOO', 'G(T', 'GETGETGETGETGETGETGET', 'Get']) {
    refuses(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400, 'http1.codec_error');
  }
});

test('U-21 an h2c upgrade is taken out of the request', () => {
  const { requests } = serve(
    `${GET}Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA\r\nx: 1\r\n\r\n`,
  );
  assert.equal(requests[0]!.text(), 'GET / @a [x: 1] body= trailers=- end');
});

test('a TLS hello on a plaintext listener is refused at its first byte', () => {
  refuses('\x16\x03\x01\x02\x00', 400);
});

test('a response gets framing lines last: length 0, chunked, or none', () => {
  const plain = (status: number, fields: string[] = []) => new ResponseHeaders(status, fields);
  assert.equal(
    answered(`${GET}\r\n`, plain(404, ['server', 'envoy'])),
    'HTTP/1.1 404 Not Found\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n',
  );
  assert.equal(answered(`${GET}\r\n`, plain(204)), 'HTTP/1.1 204 No Content\r\n\r\n');
  assert.equal(answered(`${GET}\r\n`, plain(304)), 'HTTP/1.1 304 Not Modified\r\n\r\n');
  assert.equal(
    answered('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', plain(200)),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  assert.equal(
    answered('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', plain(200, ['content-length', '7'])),
    'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n',
  );
  assert.equal(
    answered(`${GET}\r\n`, plain(799, ['x-a', 'b']), { properCaseHeaderKeys: true }),
    'HTTP/1.1 799 Unknown\r\nX-A: b\r\nContent-Length: 0\r\n\r\n',
  );
});

test('a body without a length is chunked, with trailers when they are enabled', () => {
  for (const enableTrailers of [true, false]) {
    const harness = new ServerHarness({ enableTrailers }, ({ encoder }) => {
      encoder.encodeHeaders(new ResponseHeaders(200, ['transfer-encoding', 'gzip']), false);
      encoder.encodeData(Buffer.from('a'.repeat(17)), false);
      encoder.encodeData(Buffer.alloc(0), false);
      encoder.encodeTrailers(['x-t', '1']);
    });
    harness.feed(`${GET}\r\n`);
    const trailer = enableTrailers ? 'x-t: 1\r\n' : '';
    const expected = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n${'a'.repeat(17)}\r\n0\r\n${trailer}\r\n`;
    assert.equal(harness.connection.output, expected);
    assert.equal(harness.requests[0]!.encoder.bytesSent(), expected.length);
  }
});

test('the body of an answer to HEAD, of a 204 and of a 304 is not sent', () => {
  for (const [method, status] of [
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ] as const) {
    const harness = new ServerHarness({}, ({ encoder }) => {
      encoder.encodeHeaders(new ResponseHeaders(status, ['content-length', '2']), false);
      encoder.encodeData(Buffer.from('ok'), true);
    });
    harness.feed(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n${GET}\r\n`);
    assert.match(harness.connection.output, /content-length: 2\r\n\r\n$/);
    assert.equal(harness.connection.closedWith, null);
  }
});

test('a body longer than its Content-Length never reaches the wire', () => {
  const harness = new ServerHarness({}, ({ encoder }) => {
    encoder.encodeHeaders(new ResponseHeaders(200, ['content-length', '2']), false);
    encoder.encodeData(Buffer.from('okHTTP/1.1 200 OK'), true);
  });
  harness.feed(`${GET}\r\n`);
  assert.match(harness.connection.output, /\r\n\r\n$/);
  assert.notEqual(harness.connection.closedWith, null);
});

test('a body shorter than its Content-Length closes the connection', () => {
  const harness = new ServerHarness({}, ({ encoder }) => {
    encoder.encodeHeaders(new ResponseHeaders(200, ['content-length', '3']), false);
    encoder.encodeData(Buffer.from('ok'), true);
  });
  harness.feed(`${GET}\r\n`);
  assert.notEqual(harness.connection.closedWith, null);
});

test('1xx responses go out before the final one, and not to HTTP/1.0', () => {
  const answer = ({ encoder }: Parameters<typeof answerOk>[0]) => {
    encoder.encode1xxHeaders(new ResponseHeaders(103, ['link', 'x']));
    encoder.encodeHeaders(new ResponseHeaders(200, []), true);
  };
  const harness = new ServerHarness({}, answer);
  harness.feed(`${GET}\r\n`);
  assert.equal(
    harness.connection.output,
    'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  );
  const old = new ServerHarness({ acceptHttp10: true }, answer);
  old.feed('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
  assert.equal(
    old.connection.output,
    'HTTP/1.0 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  );
});

test('HTTP/1.0 keeps alive only when asked, and gets unframed bodies to the end of the connection', () => {
  const options = { acceptHttp10: true, defaultHostForHttp10: 'dflt' };
  const kept = serve('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', options);
  assert.equal(
    kept.connection.output,
    'HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok',
  );
  assert.equal(kept.connection.closedWith, null);
  assert.equal(kept.requests[0]!.headers!.authority, 'dflt');
  assert.equal(kept.codec.protocol, 'HTTP/1.0');
  const unframed = new ServerHarness(options, ({ encoder }) => {
    encoder.encodeHeaders(new ResponseHeaders(200, []), false);
    encoder.encodeData(Buffer.from('ok'), true);
  });
  unframed.feed('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.equal(unframed.connection.output, 'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nok');
  assert.notEqual(unframed.connection.closedWith, null);
});

test('Connection: close of the client or of the response ends the connection after the response', () => {
  const asked = serve(`${GET}Connection: x, Close\r\n\r\n`);
  assert.match(asked.connection.output, /content-length: 2\r\nconnection: close\r\n\r\nok$/);
  assert.equal(asked.connection.closedWith, ConnectionCloseType.FlushWrite);
  const harness = new ServerHarness({}, ({ encoder }) => {
    encoder.encodeHeaders(new ResponseHeaders(200, ['connection', 'close']), true);
  });
  harness.feed(`${GET}\r\n`);
  assert.equal(harness.connection.output.match(/connection: close/g)!.length, 1);
  assert.equal(harness.connection.closedWith, ConnectionCloseType.FlushWrite);
});

test('a drain closes an idle connection at once and a busy one after its response', () => {
  const idle = new ServerHarness();
  idle.codec.goAway();
  assert.equal(idle.connection.closedWith, ConnectionCloseType.FlushWrite);
  const busy = new ServerHarness({}, null);
  busy.feed(`${GET}\r\n`);
  busy.codec.goAway();
  assert.equal(busy.connection.closedWith, null);
  answerOk(busy.requests[0]!);
  assert.match(busy.connection.output, /connection: close/);
  assert.equal(busy.connection.closedWith, ConnectionCloseType.FlushWrite);
});

test('pipelined requests are answered in order, each only after the one before', async () => {
  const harness = new ServerHarness({}, null);
  harness.feed(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HT`);
  harness.feed('TP/1.1\r\nHost: a\r\n\r\n');
  for (let i = 1; i <= 3; i++) {
    assert.equal(harness.requests.length, i);
    const request = harness.requests[i - 1]!;
    assert.equal(request.headers!.path, `/${i}`);
    request.encoder.encodeHeaders(new ResponseHeaders(200, ['n', String(i)]), true);
    await new Promise(setImmediate);
  }
  assert.deepEqual(harness.connection.output.match(/n: ./g), ['n: 1', 'n: 2', 'n: 3']);
  assert.equal(harness.codec.hasActiveStream(), false);
});

test('SL-08 ten thousand pipelined requests in one write are served one per turn of the loop', async () => {
  const harness = new ServerHarness();
  harness.feed(`${GET}\r\n`.repeat(10_000));
  assert.equal(harness.requests.length, 1);
  await new Promise(setImmediate);
  assert.equal(harness.requests.length, 2);
  for (let i = 0; i < 10_000; i++) await new Promise(setImmediate);
  assert.equal(harness.requests.length, 10_000);
});

test('more than 64 KiB of pipelined requests stop the reading until the response is complete', async () => {
  const harness = new ServerHarness({}, null);
  harness.feed(`${GET}\r\n`);
  harness.feed(`GET / HTTP/1.1\r\nHost: a\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`);
  assert.equal(harness.connection.readDisableCount, 0);
  harness.feed(`GET / HTTP/1.1\r\nHost: a\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`);
  assert.equal(harness.connection.readDisableCount, 1);
  answerOk(harness.requests[0]!);
  assert.equal(harness.connection.readDisableCount, 0);
  await new Promise(setImmediate);
  assert.equal(harness.requests.length, 2);
});

test('a bad chunk after the head reuses the stream for the error, or cuts a response short', () => {
  const chunked = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
  const before = new ServerHarness({}, null);
  before.feed(`${chunked}1\r\na\r\nzz`);
  assert.equal(before.requests[0]!.body, 'a');
  assert.deepEqual(
    before.errors.map((error) => error.status),
    [400],
  );
  const after = new ServerHarness({}, null);
  after.feed(chunked);
  after.requests[0]!.encoder.encodeHeaders(new ResponseHeaders(200, []), false);
  after.feed('zz');
  assert.equal(after.requests[0]!.resetReason, StreamResetReason.ProtocolError);
  assert.equal(after.requests[0]!.resetDetails, 'http1.codec_error');
  assert.notEqual(after.connection.closedWith, null);
  assert.doesNotMatch(after.connection.output, /0\r\n\r\n$/);
});

test('UP-04 a reset after the response began closes without the last chunk', () => {
  const harness = new ServerHarness({}, null);
  harness.feed(`${GET}\r\n`);
  const { encoder } = harness.requests[0]!;
  encoder.encodeHeaders(new ResponseHeaders(200, []), false);
  encoder.encodeData(Buffer.from('ok'), false);
  encoder.resetStream(StreamResetReason.LocalReset);
  encoder.encodeData(Buffer.from('late'), true);
  assert.match(harness.connection.output, /2\r\nok\r\n$/);
  assert.equal(harness.connection.closedWith, ConnectionCloseType.FlushWrite);
  assert.equal(harness.requests[0]!.resetReason, null, 'no callback for an own reset');
});

test('a client that goes away resets its stream with ConnectionTermination', () => {
  const harness = new ServerHarness({}, null);
  harness.feed(`${GET}\r\n`);
  harness.codec.onConnectionEvent(ConnectionEvent.RemoteClose);
  assert.equal(harness.requests[0]!.resetReason, StreamResetReason.ConnectionTermination);
  assert.equal(harness.codec.hasActiveStream(), false);
});

test('H1-41 a head or body that stops can be answered by the owner and nothing follows', () => {
  const head = new ServerHarness();
  head.feed('GET / HTTP/1.1\r\nHos');
  assert.equal(head.codec.isReadingHead(), true);
  head.codec.abortHead({ status: 408, details: 'request_header_timeout', message: '' });
  assert.match(head.connection.output, /^HTTP\/1.1 408 /);
  assert.equal(head.connection.closedWith, ConnectionCloseType.FlushWriteAndDelay);
  const body = new ServerHarness({}, null);
  body.feed(`${POST}Content-Length: 10\r\n\r\nab`);
  assert.equal(body.codec.isReadingHead(), false);
  body.requests[0]!.encoder.encodeHeaders(new ResponseHeaders(408, []), true);
  assert.match(body.connection.output, /connection: close/);
  assert.equal(body.connection.closedWith, ConnectionCloseType.FlushWriteAndDelay);
});

test('a stream gives back its readDisable when it ends', () => {
  const harness = new ServerHarness({}, null);
  harness.feed(`${GET}\r\n`);
  const { encoder } = harness.requests[0]!;
  encoder.readDisable(true);
  encoder.readDisable(true);
  assert.equal(harness.connection.readDisableCount, 2);
  answerOk(harness.requests[0]!);
  encoder.readDisable(true);
  assert.equal(harness.connection.readDisableCount, 0);
});

test("the connection's watermarks reach the open stream", () => {
  const harness = new ServerHarness({}, null);
  harness.onAboveWriteBufferHighWatermark();
  harness.feed(`${GET}\r\n`);
  harness.onAboveWriteBufferHighWatermark();
  assert.equal(harness.requests[0]!.aboveHighWatermark, 1);
  harness.onBelowWriteBufferLowWatermark();
  assert.equal(harness.requests[0]!.aboveHighWatermark, 0);
});

test('JS-01 names of Object.prototype are names like any other', () => {
  const { requests } = serve(`${GET}__proto__: 1\r\nconstructor: 2\r\ntoString: 3\r\n\r\n`);
  assert.deepEqual(requests[0]!.headers!.fields, [
    '__proto__',
    '1',
    'constructor',
    '2',
    'tostring',
    '3',
  ]);
});

test('JS-13 all 256 byte values of a body come up unchanged', () => {
  const body = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
  assert.equal(serve(`${POST}Content-Length: 256\r\n\r\n${body}`).requests[0]!.body, body);
});
