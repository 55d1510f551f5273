// Reliability rows H1-xx: what an HTTP/1 client may send, and what it gets for the rest. Every input is
// fed whole, byte by byte and cut at random places, and must give the same result each time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerHarness } from '../../../test/fakes/http1.ts';
import { ResponseHeaders } from '../../api/headers.ts';
import type { ServerOptions } from './options.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

/** Deterministic cuts: a small linear congruential generator. */
function cuts(length: number, seed: number): number[] {
  const at: number[] = [];
  let state = seed;
  for (let pos = 0; pos < length; ) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    pos += 1 + ((state >>> 16) % 11);
    if (pos < length) at.push(pos);
  }
  return at;
}

function feedCut(input: string, at: readonly number[], options: Partial<ServerOptions>): string {
  const harness = new ServerHarness(options);
  let from = 0;
  for (const pos of [...at, input.length]) {
    harness.feed(input.slice(from, pos));
    from = pos;
  }
  return harness.summary();
}

/** The result, after checking that no cut changes it. */
function run(input: string, options: Partial<ServerOptions> = {}): ServerHarness {
  const harness = new ServerHarness(options);
  harness.feed(input);
  const whole = harness.summary();
  const bytes = Array.from({ length: Math.max(0, input.length - 1) }, (_, i) => i + 1);
  if (input.length < 4000) assert.equal(feedCut(input, bytes, options), whole, 'byte by byte');
  for (let seed = 1; seed <= 5; seed++) {
    assert.equal(feedCut(input, cuts(input.length, seed), options), whole, `cut with seed ${seed}`);
  }
  return harness;
}

/** One answer of `status`, connection closed, no request seen (or only the head of one). */
function refuses(input: string, status: number, details?: string, options = {}): void {
  const { errors, requests, connection } = run(input, options);
  assert.deepEqual(
    errors.map((error) => error.status),
    [status],
  );
  if (details !== undefined) assert.equal(errors[0]!.details, details);
  assert.match(connection.output, new RegExp(`^HTTP/1.1 ${status} `));
  assert.match(connection.output, /connection: close\r\n/);
  assert.equal(connection.output.split('HTTP/1.1 ').length, 2, 'exactly one response');
  assert.notEqual(connection.closedWith, null);
  assert.ok(requests.every((request) => !request.isComplete));
}

function accepts(input: string, expected: string, options = {}): ServerHarness {
  const harness = run(input, options);
  assert.deepEqual(harness.errors, []);
  assert.equal(harness.requests.map((request) => request.text()).join('\n'), expected);
  return harness;
}

const OK = 'GET / @a [] body= trailers=- end';

test('a plain request comes up with its headers in order, lower-case and trimmed', () => {
  const harness = accepts(
    'GET /x?y=1 HTTP/1.1\r\nAccept: */*\r\nHOST: a\r\nX-Foo:  b c \t\r\nx-foo:\r\n\r\n',
    'GET /x?y=1 @a [accept: */*|x-foo: b c|x-foo: ] body= trailers=- end',
  );
  assert.equal(harness.connection.output, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  assert.equal(harness.connection.closedWith, null);
  assert.equal(harness.requests[0]!.encoder.bytesReceived(), 68);
});

test('H1-01 Content-Length then chunked is refused', () => {
  refuses(
    `${GET}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'http1.content_length_and_chunked_not_allowed',
  );
});

test('H1-02 chunked then Content-Length is refused', () => {
  refuses(`${GET}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`, 400);
});

test('H1-03 an unknown transfer coding beside Content-Length is refused', () => {
  refuses(`${GET}Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc`, 400);
});

test('H1-04 a space before the colon of Transfer-Encoding is refused', () => {
  refuses(`${GET}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400, 'http1.codec_error');
});

test('H1-05 a tab before the value is legal and does not travel on', () => {
  accepts(
    `${POST}Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n`,
    'POST / @a [] body= trailers=- end',
  );
});

for (const value of ['\x0bchunked', '\x0cchunked', 'chunked\0', '\xa0chunked']) {
  test(`H1-06 Transfer-Encoding ${JSON.stringify(value)} is refused`, () => {
    refuses(`${GET}Transfer-Encoding: ${value}\r\n\r\n0\r\n\r\n`, 400);
  });
}

test('H1-07 a folded Transfer-Encoding is refused', () => {
  refuses(`${GET}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, 400);
});

test('H1-08 chunked twice is refused', () => {
  refuses(`${GET}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 400);
  refuses(`${GET}Transfer-Encoding: chunked, chunked\r\n\r\n`, 400);
});

test('H1-09 chunked that is not last is refused', () => {
  refuses(`${GET}Transfer-Encoding: chunked, gzip\r\n\r\n`, 400);
});

test('H1-10 a coding before chunked is not implemented', () => {
  refuses(`${GET}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501, 'http1.invalid_transfer_encoding');
});

test('H1-11 empty list elements around chunked are refused', () => {
  refuses(`${GET}Transfer-Encoding: ,chunked\r\n\r\n`, 400);
  refuses(`${GET}Transfer-Encoding: chunked,\r\n\r\n`, 400);
});

test('H1-12 an empty Transfer-Encoding beside Content-Length is refused', () => {
  refuses(`${GET}Transfer-Encoding:\r\nContent-Length: 0\r\n\r\n`, 400);
});

test('H1-13 identity is refused', () => {
  refuses(`${GET}Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n`, 400);
  refuses(`${GET}Transfer-Encoding: identity\r\n\r\n`, 501);
});

test('H1-14 Transfer-Encoding in HTTP/1.0 is refused, HTTP/1.0 itself gets 426', () => {
  const request = 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
  refuses(request, 400, 'http1.transfer_encoding_not_allowed', { acceptHttp10: true });
  refuses('GET / HTTP/1.0\r\nHost: a\r\n\r\n', 426, 'low_version');
});

test('H1-15 Transfer_Encoding and Content_Length are refused, dropped or forwarded as configured', () => {
  const request = `${GET}Transfer_Encoding: chunked\r\nContent_Length: 3\r\nx: 1\r\n\r\n`;
  refuses(request, 400, 'http1.unexpected_underscore', {
    headersWithUnderscoresAction: 'REJECT_REQUEST',
  });
  accepts(request, 'GET / @a [x: 1] body= trailers=- end', {
    headersWithUnderscoresAction: 'DROP_HEADER',
  });
  accepts(
    request,
    'GET / @a [transfer_encoding: chunked|content_length: 3|x: 1] body= trailers=- end',
  );
});

test('underscore headers are counted', () => {
  const harness = new ServerHarness({ headersWithUnderscoresAction: 'DROP_HEADER' });
  harness.feed(`${GET}a_b: 1\r\nc_d: 2\r\n\r\n`);
  assert.equal(harness.codec.options.stats.droppedHeadersWithUnderscores, 2);
});

test('H1-16 two equal Content-Lengths are refused', () => {
  refuses(`${GET}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab`, 400);
  refuses(`${GET}Content-Length: 2, 2\r\n\r\nab`, 400);
});

test('H1-17 two different Content-Lengths are refused', () => {
  refuses(`${GET}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`, 400);
});

for (const value of ['-1', '+2', '0x2', '1_0', '2 3', '']) {
  test(`H1-18 Content-Length ${JSON.stringify(value)} is refused`, () => {
    refuses(`${GET}Content-Length: ${value}\r\n\r\nab`, 400, 'http1.codec_error');
  });
}

test('H1-19 a Content-Length past 2^53 is refused', () => {
  refuses(`${GET}Content-Length: 18446744073709551618\r\n\r\nab`, 400);
  refuses(`${GET}Content-Length: 1${'0'.repeat(40)}\r\n\r\nab`, 400);
  refuses(`${GET}Content-Length: 9007199254740992\r\n\r\nab`, 400);
});

test('H1-20 leading zeros of a Content-Length do not travel on', () => {
  accepts(
    `${POST}Content-Length: 0002\r\n\r\nab`,
    'POST / @a [content-length: 2] body=ab trailers=- end',
  );
});

test('H1-21 a chunk size past 2^53 or 2^64 is refused', () => {
  refuses(`${CHUNKED}20000000000000\r\nabc`, 400);
  refuses(`${CHUNKED}10000000000000002\r\nabc`, 400);
});

for (const size of ['0x2', '-2', '+2', '0_2', '']) {
  test(`H1-22 chunk size ${JSON.stringify(size)} is refused`, () => {
    refuses(`${CHUNKED}${size}\r\nab\r\n0\r\n\r\n`, 400);
  });
}

test('H1-23 a space around a chunk size is refused', () => {
  refuses(`${CHUNKED}2 \r\nab\r\n0\r\n\r\n`, 400);
  refuses(`${CHUNKED} 2\r\nab\r\n0\r\n\r\n`, 400);
});

test('H1-24 a chunk extension is accepted and does not travel on', () => {
  accepts(`${CHUNKED}2;a=b;c="d"\r\nab\r\n0;x\r\n\r\n`, 'POST / @a [] body=ab trailers=- end');
});

for (const bad of ['\n', '\r', '\0']) {
  test(`H1-25 ${JSON.stringify(bad)} in a chunk extension is refused`, () => {
    refuses(`${CHUNKED}2;a${bad}b\r\nab\r\n0\r\n\r\n`, 400);
  });
}

test('H1-26 chunk extensions of more than 16 KiB together are refused', () => {
  const chunk = `1;${'x'.repeat(1023)}\r\na\r\n`;
  accepts(
    `${CHUNKED}${chunk.repeat(16)}0\r\n\r\n`.replace('1;x', '1;'),
    `POST / @a [] body=${'a'.repeat(16)} trailers=- end`,
  );
  refuses(`${CHUNKED}${chunk.repeat(16)}1;x\r\na\r\n0\r\n\r\n`, 413);
});

test('H1-27 a bare LF in chunked framing is refused', () => {
  refuses(`${CHUNKED}2\nab\r\n0\r\n\r\n`, 400);
  refuses(`${CHUNKED}2\r\nab\n0\r\n\r\n`, 400);
  refuses(`${CHUNKED}2\r\nab\r\n0\n\r\n`, 400);
  refuses(`${CHUNKED}2\r\nab\r\n0\r\n\n`, 400);
});

test('H1-28 chunk data longer than its size is refused', () => {
  refuses(`${CHUNKED}2\r\nabc\r\n0\r\n\r\n`, 400);
});

test('H1-29 a megabyte in one-byte chunks goes up in few pieces', () => {
  const harness = new ServerHarness();
  harness.feed(CHUNKED);
  const piece = '1\r\na\r\n'.repeat(10_000);
  for (let i = 0; i < 100; i++) harness.feed(piece);
  harness.feed('0\r\n\r\n');
  const request = harness.requests[0]!;
  assert.equal(request.body.length, 1_000_000);
  assert.ok(request.isComplete);
  assert.ok(request.dataCalls <= 102, `${request.dataCalls} pieces`);
});

test('H1-30 trailers that frame, route or authenticate are dropped', () => {
  accepts(
    `${CHUNKED}1\r\na\r\n0\r\nContent-Length: 5\r\nHost: b\r\nAuthorization: x\r\nX-Envoy-Internal: true\r\n` +
      'Transfer-Encoding: chunked\r\nX-Checksum: 7\r\n\r\n',
    'POST / @a [] body=a trailers=x-checksum: 7 end',
  );
  refuses(`${CHUNKED}1\r\na\r\n0\r\n:path: /\r\n\r\n`, 400);
});

test('trailers are dropped when they are not enabled', () => {
  accepts(`${CHUNKED}1\r\na\r\n0\r\nX-T: 7\r\n\r\n`, 'POST / @a [] body=a trailers=- end', {
    enableTrailers: false,
  });
});

test('H1-31 a trailer section past 8 KiB or 100 lines is refused', () => {
  refuses(`${CHUNKED}0\r\nx: ${'a'.repeat(8 * 1024)}\r\n\r\n`, 431, 'http1.trailers_too_large');
  refuses(`${CHUNKED}0\r\n${'x: 1\r\n'.repeat(101)}\r\n`, 431, 'http1.trailers_too_large');
});

test('H1-32 a bare LF as line end is refused', () => {
  refuses('GET / HTTP/1.1\nHost: a\n\n', 400);
  refuses('GET / HTTP/1.1\r\nHost: a\n\r\n', 400);
  refuses('GET / HTTP/1.1\r\nHost: a\r\n\n', 400);
});

test('H1-33 a bare CR is refused', () => {
  refuses('GET / HTTP/1.1\rHost: a\r\r', 400);
  refuses(`${GET}a: b\rc\r\n\r\n`, 400);
  refuses(`${GET}\rX`, 400);
});

test('H1-34 NUL in a value or a name is refused', () => {
  refuses(`${GET}a: b\0c\r\n\r\n`, 400, 'http1.invalid_characters');
  refuses(`${GET}a\0b: c\r\n\r\n`, 400);
});

test('H1-35 every other control byte in a value is refused', () => {
  for (let code = 1; code < 32; code++) {
    if (code === 9) continue;
    refuses(`${GET}a: b${String.fromCharCode(code)}c\r\n\r\n`, 400);
  }
  refuses(`${GET}a: b\x7fc\r\n\r\n`, 400);
});

test('H1-36 bytes 0x80 to 0xff in a value pass unchanged', () => {
  const value = Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join('');
  accepts(`${GET}a: ${value}\r\n\r\n`, `GET / @a [a: ${value}] body= trailers=- end`);
});

test('H1-37 a folded line is refused', () => {
  refuses(`${GET}a: b\r\n c\r\n\r\n`, 400);
  refuses(`${GET}a: b\r\n\tc\r\n\r\n`, 400);
});

test('H1-38 malformed field lines are refused', () => {
  refuses(`${GET}Foo : a\r\n\r\n`, 400);
  refuses('GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400);
  refuses(`${GET}: a\r\n\r\n`, 400);
  refuses(`${GET}abc\r\n\r\n`, 400);
  refuses(`${GET}a(b: c\r\n\r\n`, 400);
});

test('H1-39 a body that looks like a request stays a body', () => {
  const inner = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n';
  accepts(
    `${GET}Content-Length: ${inner.length}\r\n\r\n${inner}`,
    `GET / @a [content-length: ${inner.length}] body=${inner} trailers=- end`,
  );
});

test('H1-40 nothing behind a bad request is run', () => {
  refuses(`GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n${GET}\r\n`, 400);
});

test('H1-42 an early answer to Expect: 100-continue closes and the body is not parsed', () => {
  const harness = new ServerHarness({}, null);
  harness.feed(`${POST}Expect: 100-continue\r\nContent-Length: 20\r\n\r\n`);
  const request = harness.requests[0]!;
  assert.equal(request.headers!.get('expect'), '100-continue');
  request.encoder.encodeHeaders(tooLarge(), true);
  harness.feed('GET /evil HTTP/1.1\r\n');
  assert.equal(
    harness.connection.output,
    'HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  );
  assert.notEqual(harness.connection.closedWith, null);
  assert.equal(harness.requests.length, 1);
});

test('H1-44 a few empty lines before a request are skipped, many are refused', () => {
  accepts(`\r\n\r\n${GET}\r\n`, OK);
  accepts(`${'\r\n'.repeat(32)}${GET}\r\n`, OK);
  refuses(`${'\r\n'.repeat(33)}${GET}\r\n`, 400);
});

test('H1-46 more than 100 lines are refused, none is dropped silently', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `x${i}: 1\r\n`).join('');
  assert.equal(run(`${GET}${lines(99)}\r\n`).requests[0]!.headers!.fields.length, 198);
  refuses(`${GET}${lines(100)}\r\n`, 431, 'http1.too_many_headers');
  refuses(`${GET}${lines(2500)}x-policy: 1\r\n\r\n`, 431);
});

test('H1-47 a head past 60 KiB is refused, be it one header or the target', () => {
  accepts(
    `${GET}x: ${'a'.repeat(20_000)}\r\n\r\n`,
    `GET / @a [x: ${'a'.repeat(20_000)}] body= trailers=- end`,
  );
  refuses(`${GET}x: ${'a'.repeat(61 * 1024)}\r\n\r\n`, 431, 'http1.headers_too_large');
  refuses(`GET /${'a'.repeat(61 * 1024)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431);
  assert.equal(run(`GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`).errors.length, 0);
});

test('H1-47 a head that drips in without an end is refused at the limit', () => {
  const harness = new ServerHarness({ maxRequestHeadersKb: 1 });
  harness.feed(`${GET}x: `);
  for (let i = 0; i < 1024; i++) harness.feed('a');
  assert.deepEqual(
    harness.errors.map((error) => error.status),
    [431],
  );
});

function tooLarge() {
  return new ResponseHeaders(413, []);
}
